import { rankedWatchers, type Scope } from '@scout/core'

/** A node that has an agent. */
interface Node {
  readonly node: string
  readonly zone?: string | undefined
}

/** Collectors of an incident that concerns the links of many nodes, so far as these links are probed. */
const usualCollectors = 3

interface Mesh {
  readonly nodes: readonly Node[]
  /** How many of them each agent probes at most. */
  readonly probedNodes: number
}

/**
 * Returns whether the agent on a node collects what proves an incident, provided that one of its own links is affected. Both ends of a link
 * do, and the node that an incident is about. Of the many others that a wide scope has, the same few do, by a hash of their names: more in a large
 * mesh, where most of them do not probe that node.
 */
export function collects(
  node: string,
  { id, scope }: { readonly id: string; readonly scope: Scope },
  { nodes, probedNodes }: Mesh,
) {
  if (scope.kind === 'link') return node === scope.from || node === scope.to
  if ('node' in scope && scope.node === node) return true
  const candidates = nodes.filter((one) => isWithin(one, scope))
  return rankedWatchers(candidates, id)
    .slice(0, usualCollectors * Math.ceil(nodes.length / probedNodes))
    .some((one) => one.node === node)
}

function isWithin({ node, zone }: Node, scope: Scope): boolean {
  switch (scope.kind) {
    case 'zone-pair':
      return zone !== undefined && scope.zones.includes(zone)
    case 'node-group':
      return scope.nodes.includes(node)
    case 'node':
    case 'node-side':
      return node !== scope.node
    case 'cluster':
      return true
    case 'link':
    case 'service':
    case 'name-server':
    case 'prober':
      return false
  }
}

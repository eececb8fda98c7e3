import type { End } from './evidence.ts'

/** Where a cause applies. */
export type Scope =
  | { readonly kind: 'link'; readonly from: string; readonly to: string }
  | { readonly kind: 'node'; readonly node: string }
  | { readonly kind: 'node-side'; readonly node: string; readonly side: 'in' | 'out' }
  | { readonly kind: 'node-group'; readonly nodes: readonly string[] }
  | { readonly kind: 'zone-pair'; readonly zones: readonly string[] }
  | { readonly kind: 'service'; readonly name: string }
  | { readonly kind: 'name-server'; readonly address: string }
  | { readonly kind: 'cluster' }
  | { readonly kind: 'prober'; readonly node: string }

export type ScopeKind = Scope['kind']

/**
 * Direction of a fault: `forward` is from the first end of its scope to the second, `return` concerns only what answers requests that go forward.
 * `none` where a scope has no direction.
 */
export type Direction = 'forward' | 'return' | 'both' | 'none'

/**
 * Nats that a finding of this scope costs: a wide one explains more with one name, so that it costs less than many narrow ones. A narrow one
 * costs less than its parts, but not so much less that a single failing link becomes its node.
 */
export const prices: Readonly<Record<ScopeKind, number>> = {
  cluster: 6,
  'zone-pair': 6,
  'node-group': 6,
  node: 5,
  'node-side': 5,
  'name-server': 5,
  service: 5,
  prober: 5,
  link: 4,
}

/** Returns a scope as text for people: `node1 -> node2`, `zone-1 <-> zone-2`, `name server 10.96.0.10`. */
export function scopeText(scope: Scope, direction: Direction = 'none'): string {
  switch (scope.kind) {
    case 'link':
      return `${scope.from} ${direction === 'both' ? '<->' : '->'} ${scope.to}`
    case 'node':
      return scope.node
    case 'node-side':
      return scope.side === 'in' ? `all nodes -> ${scope.node}` : `${scope.node} -> all nodes`
    case 'node-group':
      return scope.nodes.join(', ')
    case 'zone-pair':
      return scope.zones.join(direction === 'forward' ? ' -> ' : ' <-> ')
    case 'service':
      return `service ${scope.name}`
    case 'name-server':
      return `name server ${scope.address}`
    case 'cluster':
      return 'the whole cluster'
    case 'prober':
      return `the agent on ${scope.node}`
  }
}

/** Returns the nodes that a scope names; none if it is a wide one. */
export function nodesIn(scope: Scope): readonly string[] {
  switch (scope.kind) {
    case 'link':
      return [scope.from, scope.to]
    case 'node':
    case 'node-side':
    case 'prober':
      return [scope.node]
    case 'node-group':
      return scope.nodes
    case 'zone-pair':
    case 'service':
    case 'name-server':
    case 'cluster':
      return []
  }
}

/** All nodes as the other end of a scope. */
export const allNodes = 'all nodes'

/** Returns both ends of a scope, in its forward direction: `node1` and `all nodes`; undefined if it has none. */
export function endsIn(scope: Scope): readonly [from: string, to: string] | undefined {
  switch (scope.kind) {
    case 'link':
      return [scope.from, scope.to]
    case 'node':
      return [scope.node, allNodes]
    case 'node-side':
      return scope.side === 'out' ? [scope.node, allNodes] : [allNodes, scope.node]
    case 'zone-pair': {
      const [from, to] = scope.zones
      return from === undefined || to === undefined ? undefined : [from, to]
    }
    default:
      return undefined
  }
}

/** Returns the scope of everything at one end of links. */
export function scopeOfEnd({ kind, name }: End): Scope {
  switch (kind) {
    case 'node':
      return { kind: 'node-side', node: name, side: 'in' }
    case 'name-server':
      return { kind: 'name-server', address: name }
    case 'service':
      return { kind: 'service', name }
  }
}

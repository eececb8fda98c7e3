import { LabError } from '../errors.ts'
import type { ByFamily, Family, Node, Pod, Service, Topology } from '../topology.ts'

/** Packets from any of `sources` to `destination`. */
export interface Flow {
  readonly sources: readonly Node[]
  readonly destination: Node
}

export interface Pair {
  readonly from: string
  readonly to: string
  readonly direction: 'forward' | 'backward' | 'both'
}

export type Vantage = 'pod' | 'host' | 'both'

function selectNodes(topology: Topology, selector: string): readonly Node[] {
  if (selector === 'any') return topology.nodes
  const inZone = topology.nodes.filter((node) => node.zone.name === selector)
  return inZone.length > 0 ? inZone : selector.split(',').map((word) => selectNode(topology, word))
}

/** Returns a selector of all nodes that another one does not select. */
export function selectorOfOthers(topology: Topology, selector: string): string {
  const selected = selectNodes(topology, selector)
  const others = topology.nodes.filter((node) => !selected.includes(node))
  if (others.length === 0) throw new LabError('usage', `beside "${selector}" this lab has no nodes`)
  return others.map(({ number }) => number).join(',')
}

export function selectNode(topology: Topology, word: number | string): Node {
  const node = topology.nodes[Number(word) - 1]
  if (node !== undefined) return node
  const zones = topology.zones.map((zone) => zone.name).join(', ')
  throw new LabError(
    'usage',
    `no node is called "${word}": this lab has nodes 1 to ${topology.nodes.length} in ${zones}, or say any`,
  )
}

export function selectPod(topology: Topology, name: string): Pod {
  const pod = topology.pods.find((candidate) => candidate.name === name)
  if (pod !== undefined) return pod
  throw new LabError('usage', `no pod is called "${name}": this lab has ${topology.pods.map((p) => p.name).join(', ')}`)
}

/** The service of a name, or the first one when the name is empty. */
export function selectService({ services }: Topology, name: string): Service {
  const service = name === '' ? services[0] : services.find((candidate) => candidate.name === name)
  if (service !== undefined) return service
  throw new LabError('usage', `no service is called "${name}": this lab has ${services.map((s) => s.name).join(', ')}`)
}

/** The flows between two groups of nodes, one for each destination; a node's packets to itself are not among them. */
export function selectFlows(topology: Topology, { from, to, direction }: Pair): readonly Flow[] {
  const first = selectNodes(topology, from)
  const second = selectNodes(topology, to)
  const isConcerned = (source: Node, destination: Node) =>
    source !== destination &&
    ((direction !== 'backward' && first.includes(source) && second.includes(destination)) ||
      (direction !== 'forward' && second.includes(source) && first.includes(destination)))
  const flows = topology.nodes
    .map((destination) => ({
      destination,
      sources: topology.nodes.filter((source) => isConcerned(source, destination)),
    }))
    .filter((flow) => flow.sources.length > 0)
  if (flows.length === 0) throw new LabError('usage', `from "${from}" to "${to}" there is no pair of different nodes`)
  return flows
}

/** The addresses packets of a node and its pods bear, to be matched in nft. */
export function addressesOf(nodes: readonly Node[], family: Family, vantage: Vantage): string {
  const both = (node: Node): readonly ByFamily[] => {
    switch (vantage) {
      case 'pod':
        return [node.podRange]
      case 'host':
        return [node.addresses]
      case 'both':
        return [node.addresses, node.podRange]
    }
  }
  return `{ ${nodes
    .flatMap(both)
    .map((value) => value[family])
    .join(', ')} }`
}

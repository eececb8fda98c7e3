import type { Peer } from './peer.ts'

type Pod = Omit<Peer, 'port'>

/** Returns the list of pods in the reference output: by node, one line for each address. `remarksOf` adds to the remarks on a peer's state. */
export function podLines(
  peers: readonly Pod[],
  remarksOf: (peer: Pod) => readonly string[] = () => [],
): readonly string[] {
  const nodes = [...new Set(peers.map(({ node }) => node))]
  const linesOf = (peer: Pod) => {
    const remarks = [...stateRemarks(peer), ...remarksOf(peer)]
    const tail = remarks.length === 0 ? '' : ` (${remarks.join(', ')})`
    return peer.addresses.map((address) => `            ${pathName(peer, address)}${tail}`)
  }
  const nodeLines = (node: string) => [
    `    node: ${node}`,
    ...peers.filter((peer) => peer.node === node).flatMap(linesOf),
  ]
  return ['scout pods:', ...nodes.flatMap(nodeLines)]
}

export function pathName({ name, namespace }: Pod, address: string): string {
  return [name, ...(namespace === undefined ? [] : [namespace]), address].join('.')
}

function stateRemarks({ state, proxy }: Pod): readonly string[] {
  return [
    ...(state === 'ready' ? [] : [state]),
    ...(proxy === undefined ? [] : [`by HTTP through ${new URL(proxy).origin}`]),
  ]
}

import type { Discovery, Knowledge } from '../peers/knowledge.ts'
import type { Peer } from '../peers/peer.ts'

export interface OutsideOptions {
  /** Returns the API server's proxy URL of a peer's responder; undefined if it needs credentials, which probes do not have. */
  readonly proxyOf: ((peer: Peer) => string) | undefined
  readonly isReachable: (peer: Peer) => Promise<boolean>
  /** Called once, with one sentence about the chosen path. */
  readonly onWay: (sentence: string) => void
  readonly onDefect: (error: unknown) => void
}

type Way = 'direct' | 'proxy' | 'none'

/** Peers on different nodes that must all be unreachable before the cluster counts as unreachable; a single one is a finding. */
const triedPeers = 5

/**
 * Finds the peers of a cluster from outside it. Before any probe it checks once whether pods are reachable from here; if not, HTTP goes
 * through the API server's proxy.
 */
export function createOutsideDiscovery(inner: Discovery, options: OutsideOptions): Discovery {
  let way: Way | 'looking' | undefined
  return {
    async start(onKnowledge) {
      let latest: Knowledge | undefined
      const report = () => {
        if (latest !== undefined) onKnowledge(seenBy(latest, way, options.proxyOf))
      }
      await inner.start((knowledge) => {
        latest = knowledge
        const ready = onDifferentNodes(knowledge.peers.filter(({ state }) => state === 'ready'))
        if (way === undefined && ready.length > 0) {
          way = 'looking'
          findWay(ready, options)
            .then((found) => {
              way = found
              options.onWay(sentences[found])
              report()
            })
            .catch((error: unknown) => {
              // The next news tries again.
              way = undefined
              options.onDefect(error)
            })
        }
        report()
      })
    },
    stop: () => inner.stop(),
  }
}

const unreachable = 'pods are not reachable from here'
const sentences: Readonly<Record<Way, string>> = {
  direct: 'pods are reachable from here: probing them directly',
  proxy: `${unreachable}: probing only HTTP, through the API server's proxy`,
  none: `${unreachable}: run kubectl proxy --port=8081 and pass --kube-api http://127.0.0.1:8081 to probe HTTP through the API server`,
}

async function findWay(ready: readonly Peer[], { isReachable, proxyOf }: OutsideOptions): Promise<Way> {
  const reached = await Promise.all(ready.slice(0, triedPeers).map(isReachable))
  if (reached.some(Boolean)) return 'direct'
  return proxyOf === undefined ? 'none' : 'proxy'
}

function seenBy(knowledge: Knowledge, way: Way | 'looking' | undefined, proxyOf: OutsideOptions['proxyOf']): Knowledge {
  const { peers, trouble } = knowledge
  if (way === 'direct') return knowledge
  const reached = { ...knowledge, dnsPods: undefined }
  if (way === 'proxy') return { ...reached, peers: peers.map((peer) => ({ ...peer, proxy: proxyOf?.(peer) })) }
  // A peer that no probe can reach must not count as failing.
  const waiting = peers.map((peer): Peer => (peer.state === 'ready' ? { ...peer, state: 'starting' } : peer))
  return { ...reached, peers: waiting, trouble: trouble ?? (way === 'none' ? sentences.none : undefined) }
}

function onDifferentNodes(peers: readonly Peer[]): readonly Peer[] {
  return [...new Map(peers.map((peer) => [peer.node, peer])).values()]
}

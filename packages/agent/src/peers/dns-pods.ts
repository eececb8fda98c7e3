import { sampleNodes } from '../plan/sample.ts'
import type { Peer, PeerState } from './peer.ts'
import { reachOf } from './reach.ts'
import type { KnownPeer, Roster } from './roster.ts'

/** Servers of cluster DNS that one agent asks, so that its cost and theirs do not grow with the cluster. */
const mostAsked = 8

interface DnsPodsOptions {
  /** Node of this agent. */
  readonly node: string
  /** The other agents. */
  readonly roster: Pick<Roster, 'peers'>
  /** Returns the nodes with a server that fails, or loses queries. */
  readonly failing: () => ReadonlySet<string | undefined>
  /** Called with the id of a server that left or changed: attempts in flight no longer count. */
  readonly onDisturbed: (id: string) => void
}

/** Servers of cluster DNS that are asked one by one: all, if there are few, otherwise a sample. */
export interface DnsPods {
  /** Those that are asked, by id. */
  readonly asked: ReadonlyMap<string, KnownPeer>
  /** Replaces all servers. Returns whether others are asked now, or some of them have changed. */
  update(found: readonly Peer[]): boolean
  /** Does the same for the present agents, and the present turn of the sample. */
  refresh(): boolean
}

/**
 * Like a peer, a server of cluster DNS can fail only while it is ready. Nobody says goodbye for it, so it is not ready while no agent on its
 * node is, either: that node may be about to leave.
 */
export function createDnsPods({ node, roster, failing, onDisturbed }: DnsPodsOptions): DnsPods {
  let found: readonly Peer[] = []
  let asked: ReadonlyMap<string, KnownPeer> = new Map()

  const stateOf = (pod: Peer, agentsByNode: ReadonlyMap<string, boolean>): PeerState =>
    pod.state === 'ready' && agentsByNode.get(pod.node) === false ? 'starting' : pod.state

  const refresh = () => {
    const atMs = Date.now()
    const agentsByNode = new Map<string, boolean>()
    for (const agent of found.length === 0 ? [] : roster.peers.values())
      agentsByNode.set(agent.node, agentsByNode.get(agent.node) === true || agent.state === 'ready')
    const troubled = failing()
    const failingIds = new Set(found.flatMap((pod) => (troubled.has(pod.node) ? [pod.id] : [])))
    const sample = sampleNodes({
      peers: found.map(({ id, zone }) => ({ node: id, zone })),
      from: node,
      most: mostAsked,
      atMs,
      isFailing: (id) => failingIds.has(id),
    })
    const before = asked
    asked = new Map(
      found.flatMap((pod): readonly [string, KnownPeer][] => {
        if (!sample.has(pod.id)) return []
        const state = stateOf(pod, agentsByNode)
        const known = before.get(pod.id)
        return [[pod.id, { ...pod, state, stateSinceMs: known?.state === state ? known.stateSinceMs : atMs }]]
      }),
    )
    const disturbed = [...before.values()].filter((was) => {
      const is = asked.get(was.id)
      return is === undefined || is.state !== was.state || reachOf(is) !== reachOf(was)
    })
    for (const { id } of disturbed) onDisturbed(id)
    return disturbed.length > 0 || [...asked.keys()].some((id) => !before.has(id))
  }

  return {
    get asked() {
      return asked
    },
    update(pods) {
      found = pods
      return refresh()
    },
    refresh,
  }
}

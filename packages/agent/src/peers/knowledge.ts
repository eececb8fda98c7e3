import type { Peer } from './peer.ts'

/** What is known about the peers, and how far it can be trusted. */
export interface Knowledge {
  readonly peers: readonly Peer[]
  /** Where it comes from, for people: a file, the API server's address… */
  readonly source: string
  /** Wall clock of the last moment the source was heard of; absent for a list, which cannot grow old. */
  readonly heardAtMs?: number | undefined
  /** Why it may be out of date; absent while the source answers. */
  readonly trouble?: string | undefined
  /** What Kubernetes thinks of the nodes, where that may be read. */
  readonly nodes?: readonly NodeConditions[] | undefined
}

/** A node as Kubernetes sees it. */
export interface NodeConditions {
  readonly name: string
  /** Takes no new pods (`kubectl cordon`). */
  readonly isCordoned: boolean
  /** What is not as it should be: not ready, or under pressure. Empty for a healthy node. */
  readonly problems: readonly NodeProblem[]
}

export interface NodeProblem {
  /** `Ready`, `MemoryPressure`, `NetworkUnavailable`… */
  readonly type: string
  /** `Unknown`: the node has not been heard of for a while. */
  readonly status: string
  readonly reason: string
  readonly sinceMs?: number | undefined
}

/** Finds the peers and goes on telling of every change. */
export interface Discovery {
  /** Calls `onKnowledge` at once with what is known, and again at each change. */
  start(onKnowledge: (knowledge: Knowledge) => void): Promise<void>
  stop(): void
}

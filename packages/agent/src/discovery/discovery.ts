import type { Peer } from '../peer.ts'

/** What is known about the peers, and how far it can be trusted. */
export interface Knowledge {
  readonly peers: readonly Peer[]
  /** Where it comes from, for people: a file, the API server's address… */
  readonly source: string
  /** Wall clock of the last moment the source was heard of. */
  readonly heardAtMs: number
  /** Why it may be out of date; absent while the source answers. */
  readonly trouble?: string
}

/** Finds the peers and goes on telling of every change. */
export interface Discovery {
  /** Calls `onKnowledge` at once with what is known, and again at each change. */
  start(onKnowledge: (knowledge: Knowledge) => void): Promise<void>
  stop(): void
}

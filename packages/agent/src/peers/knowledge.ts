import type { Knowledge as SharedKnowledge } from '@scout/core'
import type { Peer } from './peer.ts'

/** The known peers, and how far that knowledge can be trusted. */
export interface Knowledge extends SharedKnowledge {
  readonly peers: readonly Peer[]
}

/** Finds the peers and reports every change. */
export interface Discovery {
  /** Calls `onKnowledge` at once with what is known, and again at each change. */
  start(onKnowledge: (knowledge: Knowledge) => void): Promise<void>
  stop(): void
}

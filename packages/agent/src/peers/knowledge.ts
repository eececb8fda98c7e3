import type { Knowledge as SharedKnowledge } from '@scout/core'
import type { Peer } from './peer.ts'

/** The known peers, with the source, age and problems of that knowledge. */
export interface Knowledge extends SharedKnowledge {
  readonly peers: readonly Peer[]
  /** Servers of cluster DNS; none while their source does not answer, because nobody else reports that one is gone. */
  readonly dnsPods?: readonly Peer[] | undefined
}

/** Finds the peers and reports every change. */
export interface Discovery {
  /** Calls `onKnowledge` at once with the current knowledge, and again after each change. */
  start(onKnowledge: (knowledge: Knowledge) => void): Promise<void>
  stop(): void
}

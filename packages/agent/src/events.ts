import type { AnyResult, IncidentChange } from '@scout/core'
import type { ShownIncident } from './diagnosis/answer.ts'
import type { Recorded } from './memory/series.ts'
import type { Greeting } from './peers/greeting.ts'
import type { Knowledge } from './peers/knowledge.ts'
import type { Peer } from './peers/peer.ts'
import type { KnownPeer, RosterChange } from './peers/roster.ts'
import type { PlannedTask } from './plan/plan.ts'

/** What an agent reports while it runs, for the log. */
export interface AgentEvents {
  /** The responder has started to answer peers, on this port. */
  answering(port: number): void
  rosterChanged(change: RosterChange, peers: readonly KnownPeer[]): void
  greeted(peer: Peer, greeting: Greeting): void
  /** Discovery has a new problem, or (undefined) has recovered. */
  discoveryTroubled(trouble: string | undefined, knowledge: Omit<Knowledge, 'peers'>): void
  attempted(task: PlannedTask, result: AnyResult, recorded: Recorded): void
  /** An incident of the mesh has changed, and this agent speaks for the mesh. `sight`: how much of it this agent sees. */
  incidentChanged(change: IncidentChange, incident: ShownIncident, sight: string): void
  /** The file of the history has a new problem, or (undefined) is written again. */
  historyTroubled(trouble: string | undefined): void
  defect(error: unknown): void
}

import type { Peer } from '@scout/agent/kubernetes'
import type { Incident, Mesh } from '@scout/core'
import { type ExitCode, exitCodes } from '../shell/exit-code.ts'

/** An agent, and whether its state is known. */
export interface AgentReport {
  readonly agent: Omit<Peer, 'port'>
  /** `trouble`: why its list of peers may be wrong. */
  readonly answer:
    | { readonly ok: true; readonly trouble?: string | undefined }
    | { readonly ok: false; readonly message: string }
}

/** An incident, as far as its source describes it. */
export interface SeenIncident extends Omit<Incident, 'scope' | 'direction' | 'confidence'> {
  readonly scope: { readonly kind: string }
  readonly direction?: string | undefined
  readonly confidence?: number | undefined
  /** That no agent reports it: it follows from what their metrics show of the links. */
  readonly isComputed?: true
}

/** A server that stores the metrics of agents, and what its samples show and do not show. */
export interface Source {
  /** URL without credentials. */
  readonly server: string
  /** Time that the samples are about, and whether that is a time in the past. */
  readonly atMs: number
  readonly isPast: boolean
  /** When the agents were scraped. */
  readonly oldestSampleAtMs: number
  readonly newestSampleAtMs: number
  /** Failures by pair of zones, where not every link has samples. */
  readonly zones: readonly string[]
  readonly remarks: readonly string[]
}

/** The mesh at one time. */
export interface Look {
  readonly reports: readonly AgentReport[]
  readonly mesh: Mesh
  /** The gravest first; those that an earlier look found and that are closed by now are last. */
  readonly incidents: readonly SeenIncident[]
  /** Remarks about the list of agents. */
  readonly oddities: readonly string[]
  readonly nowMs: number
  readonly exitCode: ExitCode
  /** Absent if the agents themselves were asked. */
  readonly source?: Source | undefined
}

/** Looks at the mesh; calls `onProgress` with what it does. */
export type Looking = (onProgress?: (text: string) => void) => Promise<Look>

export function exitCodeOf({
  reports,
  mesh: { links, own },
  incidents,
}: Pick<Look, 'reports' | 'mesh' | 'incidents'>): ExitCode {
  const all = [...links, ...own]
  const isBad = reports.some(({ answer }) => !answer.ok) || all.some(({ state }) => state === 'failing')
  // Where packets are only lost or late, the last attempt may have passed.
  const isHarmed = incidents.some(({ severity, state }) => severity !== 'informational' && state !== 'closed')
  // Without a single result, nothing is known to work.
  const isShown = all.length === 0 || all.some(({ state }) => state === 'ok')
  return !isBad && !isHarmed && isShown ? exitCodes.ok : exitCodes.failed
}

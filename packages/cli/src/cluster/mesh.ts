import { printable } from '@scout/core'
import type { ClusterFlags } from '../flags/cluster-flags.ts'
import { createPrometheusLooking, type PrometheusChoice } from '../prometheus/look.ts'
import type { ExitCode } from '../shell/exit-code.ts'
import { type Io, startProgress } from '../shell/io.ts'
import { type Gate, gating } from './gate.ts'
import { createLooking } from './look.ts'
import { meshJson } from './mesh-json.ts'
import { renderMesh } from './mesh-text.ts'
import type { Look, Looking } from './seen.ts'
import { watching } from './watch.ts'

/** Where to look: at the agents of a cluster, or at the metrics of them that a server stores. */
export interface MeshPlace {
  readonly flags: ClusterFlags
  readonly prometheus: PrometheusChoice | undefined
}

export interface MeshFormat {
  readonly isJson: boolean
  /** Whether incidents list each aspect with its weight. */
  readonly isExplained: boolean
  /** Time between the starts of two looks; without it, there is one. */
  readonly intervalMs?: number | undefined
  /** Looks until the mesh is known to be well, or for as long as this says. */
  readonly gate?: Gate | undefined
}

/**
 * Looks once, as a gate or until Ctrl-C, and shows the incidents and the links between the agents.
 * @throws {ScoutError} @throws {CommandError} if no agent could be reached at first
 */
export async function showMesh({ flags, prometheus }: MeshPlace, format: MeshFormat, io: Io): Promise<ExitCode> {
  if (format.gate !== undefined) return gating(createLooking(flags, io), { ...format, gate: format.gate }, io)
  const look = prometheus === undefined ? createLooking(flags, io) : createPrometheusLooking(prometheus, io)
  const startMs = performance.now()
  const first = await withProgress(look, io)
  const { intervalMs } = format
  if (intervalMs !== undefined) return watching({ look, first, startMs }, { ...format, intervalMs }, io)
  for (const oddity of first.oddities) io.err.write(`${printable(oddity)}\n`)
  io.out.write(format.isJson ? meshJson(first) : renderMesh(first, format.isExplained, io.out))
  return first.exitCode
}

async function withProgress(look: Looking, { err }: Io): Promise<Look> {
  const progress = startProgress(err)
  return look(progress.show).finally(progress.clear)
}

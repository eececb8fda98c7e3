import { printable } from '@scout/core'
import type { ClusterFlags } from '../flags/cluster-flags.ts'
import type { ExitCode } from '../shell/exit-code.ts'
import { type Io, startProgress } from '../shell/io.ts'
import { createLooking, type Look } from './look.ts'
import { meshJson } from './mesh-json.ts'
import { renderMesh } from './mesh-text.ts'
import { watching } from './watch.ts'

export interface MeshFormat {
  readonly isJson: boolean
  /** Whether incidents list each aspect with its weight. */
  readonly isExplained: boolean
  /** Time between the starts of two looks; without it, there is one. */
  readonly intervalMs?: number | undefined
}

/**
 * Requests the row of every agent, once or until Ctrl-C, and shows the incidents and the links between them.
 * @throws {ScoutError} @throws {CommandError} if no agent could be reached at first
 */
export async function showMesh(flags: ClusterFlags, format: MeshFormat, io: Io): Promise<ExitCode> {
  const look = createLooking(flags, io)
  const startMs = performance.now()
  const first = await withProgress(look, io)
  const { intervalMs } = format
  if (intervalMs !== undefined) return watching({ look, first, startMs }, { ...format, intervalMs }, io)
  for (const oddity of first.oddities) io.err.write(`${printable(oddity)}\n`)
  io.out.write(format.isJson ? meshJson(first) : renderMesh(first, format.isExplained, io.out))
  return first.exitCode
}

async function withProgress(look: ReturnType<typeof createLooking>, { err }: Io): Promise<Look> {
  const progress = startProgress(err)
  return look(progress.show).finally(progress.clear)
}

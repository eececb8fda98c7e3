import { setMaxListeners } from 'node:events'
import { ApiError, askAgent, type Peer } from '@scout/agent/kubernetes'
import type { ClusterFlags } from '../flags/cluster-flags.ts'
import { type ExitCode, exitCodes } from '../shell/exit-code.ts'
import type { Io } from '../shell/io.ts'
import { startProgress } from '../shell/progress.ts'
import { type AgentReport, compareNames, type Mesh, meshOf } from './links.ts'
import { meshJson } from './mesh-json.ts'
import { renderMesh } from './mesh-text.ts'
import { answerMs, asking, type FoundScout, findScout } from './scout.ts'
import { snapshot } from './snapshot.ts'

/** Agents asked at once. */
const inParallel = 16

/**
 * Asks every agent what it knows of its links, and shows it.
 * @throws {ScoutError} @throws {CommandError} where nobody could be asked
 */
export async function showMesh(flags: ClusterFlags, isJson: boolean, io: Io): Promise<ExitCode> {
  const { out, err } = io
  const progress = startProgress(err)
  progress.show('looking for Scout')
  try {
    const scout = await findScout(flags, io)
    const reports = await askAll(scout, io, (done) => progress.show(`${scout.agents.length} agents, ${done} asked`))
    progress.clear()
    const mesh = meshOf(reports)
    out.write(isJson ? meshJson(reports, mesh) : renderMesh({ reports, mesh, nowMs: Date.now() }, out))
    return exitCodeOf(reports, mesh)
  } finally {
    progress.clear()
  }
}

async function askAll(
  scout: FoundScout,
  { ended }: Io,
  onDone: (done: number) => void,
): Promise<readonly AgentReport[]> {
  const agents = scout.agents.toSorted((a, b) => compareNames(a.node, b.node))
  const reports = new Map<Peer, AgentReport>()
  const waiting = agents.values()
  // Each request under way listens.
  setMaxListeners(0, ended)
  const askNext = async () => {
    for (const agent of waiting) {
      onDone(reports.size)
      reports.set(agent, { agent, answer: await answerOf(agent, scout, ended) })
    }
  }
  await Promise.all(Array.from({ length: inParallel }, askNext))
  return agents.flatMap((agent) => reports.get(agent) ?? [])
}

async function answerOf(agent: Peer, { access }: FoundScout, ended: AbortSignal): Promise<AgentReport['answer']> {
  return asking(ended, async () => {
    try {
      const json = await askAgent({ access, agent, path: '/api/v1/snapshot', signal: ended, answerMs })
      const { data, error } = snapshot.safeParse(json)
      if (data !== undefined) return { ok: true, snapshot: data, heardAtMs: Date.now() }
      const [issue] = error.issues
      return { ok: false, message: `what it answers is no snapshot: ${issue?.path.join('.')} ${issue?.message}` }
    } catch (error) {
      if (!(error instanceof ApiError) || isAboutAsker(error)) throw error
      return { ok: false, message: error.said ?? error.message }
    }
  })
}

/** Whoever may not ask one agent may not ask the others either. */
function isAboutAsker({ status }: ApiError): boolean {
  return status === 401 || status === 403
}

function exitCodeOf(reports: readonly AgentReport[], { links, own }: Mesh): ExitCode {
  const all = [...links, ...own]
  const isBad = reports.some(({ answer }) => !answer.ok) || all.some(({ state }) => state === 'failing')
  // Nothing is shown to be in order where nothing has a result yet.
  const isShown = all.length === 0 || all.some(({ state }) => state === 'ok')
  return !isBad && isShown ? exitCodes.ok : exitCodes.failed
}

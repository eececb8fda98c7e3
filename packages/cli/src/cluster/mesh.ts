import { setMaxListeners } from 'node:events'
import { ApiError, askAgent, type Peer } from '@scout/agent/kubernetes'
import { compareNames, type Mesh, meshOf, type Row, row } from '@scout/core'
import type { ClusterFlags } from '../flags/cluster-flags.ts'
import { type ExitCode, exitCodes } from '../shell/exit-code.ts'
import { type Io, startProgress } from '../shell/io.ts'
import { meshJson } from './mesh-json.ts'
import { renderMesh } from './mesh-text.ts'
import { answerMs, asking, type FoundScout, findScout } from './scout.ts'

/** An agent with its row, or the reason it has none. */
export interface AgentReport {
  readonly agent: Peer
  readonly answer:
    | { readonly ok: true; readonly row: Row; readonly receivedAtMs: number }
    | { readonly ok: false; readonly message: string }
}

/** Maximum number of requests to agents in flight. */
const inParallel = 16

/**
 * Requests the row of every agent, and shows the links between them.
 * @throws {ScoutError} @throws {CommandError} if no agent could be reached
 */
export async function showMesh(flags: ClusterFlags, isJson: boolean, io: Io): Promise<ExitCode> {
  const { out, err } = io
  const progress = startProgress(err)
  progress.show('looking for Scout')
  try {
    const scout = await findScout(flags, io)
    const reports = await askAll(scout, io, (done) => progress.show(`${scout.agents.length} agents, ${done} asked`))
    progress.clear()
    const mesh = meshOf(
      reports.map(({ agent: { node }, answer }) => ({ node, received: answer.ok ? answer : undefined })),
    )
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
  // Each request in flight listens.
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
      const { data, error } = row.safeParse(json)
      if (data !== undefined) return { ok: true, row: data, receivedAtMs: Date.now() }
      const [issue] = error.issues
      const what = `${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`.trim()
      return {
        ok: false,
        message: `its answer does not match this version of scout-probe (${what}): use the version of the agents`,
      }
    } catch (error) {
      if (!(error instanceof ApiError) || isAboutCaller(error)) throw error
      return { ok: false, message: error.said ?? error.message }
    }
  })
}

/** Whether the API server rejected the request itself, so that it would reject it for any other agent. */
function isAboutCaller({ status }: ApiError): boolean {
  return status === 401 || status === 403
}

function exitCodeOf(reports: readonly AgentReport[], { links, own }: Mesh): ExitCode {
  const all = [...links, ...own]
  const isBad = reports.some(({ answer }) => !answer.ok) || all.some(({ state }) => state === 'failing')
  // Without a single result, nothing is known to work.
  const isShown = all.length === 0 || all.some(({ state }) => state === 'ok')
  return !isBad && isShown ? exitCodes.ok : exitCodes.failed
}

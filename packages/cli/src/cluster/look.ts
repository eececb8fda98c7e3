import { setMaxListeners } from 'node:events'
import { ApiError, askAgent, type Peer } from '@scout/agent/kubernetes'
import {
  compareNames,
  createIncidents,
  evidenceOf,
  explain,
  type Incident,
  type Mesh,
  meshOf,
  type Row,
  row,
} from '@scout/core'
import type { ClusterFlags } from '../flags/cluster-flags.ts'
import { type ExitCode, exitCodes } from '../shell/exit-code.ts'
import type { Io } from '../shell/io.ts'
import { accessOf, answerMs, asking, type FoundScout, findScout } from './scout.ts'

/** An agent with its row, or the reason it has none. */
export interface AgentReport {
  readonly agent: Peer
  readonly answer:
    | { readonly ok: true; readonly row: Row; readonly receivedAtMs: number }
    | { readonly ok: false; readonly message: string }
}

/** What the agents report at one time. */
export interface Look {
  readonly reports: readonly AgentReport[]
  readonly mesh: Mesh
  /** The gravest first; those that an earlier look found and that are closed by now are last. */
  readonly incidents: readonly Incident[]
  /** Remarks about the list of agents. */
  readonly oddities: readonly string[]
  readonly nowMs: number
  readonly exitCode: ExitCode
}

/** Maximum number of requests to agents in flight. */
const inParallel = 16

/**
 * Returns a function that requests the row of every agent, and follows incidents from look to look. It calls `onProgress` with what it does.
 * It throws a `ScoutError` if the flags select no Scout, and a `CommandError` if no agent could be reached.
 */
export function createLooking(flags: ClusterFlags, io: Io): (onProgress?: (text: string) => void) => Promise<Look> {
  const incidents = createIncidents()
  let access: FoundScout['access'] | undefined
  return async (onProgress = () => {}) => {
    onProgress('looking for Scout')
    access ??= await accessOf(flags, io)
    const scout = await findScout(flags, access, io)
    const reports = await askAll(scout, io, (done) => onProgress(`${scout.agents.length} agents, ${done} asked`))
    const answers = reports.map(({ agent: { node }, answer }) => ({ node, received: answer.ok ? answer : undefined }))
    const nowMs = Date.now()
    const mesh = meshOf(answers)
    const evidence = evidenceOf(answers, nowMs)
    incidents.update(explain(evidence), evidence)
    const look = { reports, mesh, incidents: incidents.all(), oddities: scout.oddities, nowMs }
    return { ...look, exitCode: exitCodeOf(look) }
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

function exitCodeOf({
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

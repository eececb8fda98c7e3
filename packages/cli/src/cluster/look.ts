import { setMaxListeners } from 'node:events'
import { ApiError, askAgent, type Peer } from '@scout/agent/kubernetes'
import { compareNames, createIncidents, evidenceOf, explain, type Incident, meshOf, type Row, row } from '@scout/core'
import type { ClusterFlags } from '../flags/cluster-flags.ts'
import { type Io, tokenIn } from '../shell/io.ts'
import { accessOf, answerMs, asking, type FoundScout, findScout } from './scout.ts'
import { type AgentReport, exitCodeOf, type Look } from './seen.ts'

/** An agent with its row, or the reason it has none. */
interface RowReport extends AgentReport {
  readonly answer:
    | { readonly ok: true; readonly trouble: string | undefined; readonly row: Row; readonly receivedAtMs: number }
    | { readonly ok: false; readonly message: string }
}

/** What the agents themselves report at one time. */
export interface RowLook extends Look {
  readonly reports: readonly RowReport[]
  readonly incidents: readonly Incident[]
}

/** Looks at the agents; calls `onProgress` with what it does. */
export type RowLooking = (onProgress?: (text: string) => void) => Promise<RowLook>

/** Maximum number of requests to agents in flight. */
const inParallel = 16

/**
 * Returns a function that requests the row of every agent, and follows incidents from look to look.
 * It throws a `ScoutError` if the flags select no Scout, and a `CommandError` if no agent could be reached.
 */
export function createLooking(flags: ClusterFlags, io: Io): RowLooking {
  const incidents = createIncidents()
  const token = tokenIn(io, 'SCOUT_CONSOLE_TOKEN')
  let access: FoundScout['access'] | undefined
  return async (onProgress = () => {}) => {
    onProgress('looking for Scout')
    access ??= await accessOf(flags, io)
    const scout = await findScout(flags, access, io)
    const reports = await askAll({ scout, token }, io, (done) =>
      onProgress(`${scout.agents.length} agents, ${done} asked`),
    )
    const answers = reports.map(({ agent: { node }, answer }) => ({ node, received: answer.ok ? answer : undefined }))
    const nowMs = Date.now()
    const mesh = meshOf(answers)
    const evidence = evidenceOf(answers, nowMs)
    incidents.update(explain(evidence), evidence)
    const look = { reports, mesh, incidents: incidents.all(), oddities: scout.oddities, nowMs }
    return { ...look, exitCode: exitCodeOf(look) }
  }
}

interface Asked {
  readonly scout: FoundScout
  /** Token of the agents' consoles; empty if they need none. */
  readonly token: string
}

async function askAll(asked: Asked, { ended }: Io, onDone: (done: number) => void): Promise<readonly RowReport[]> {
  const agents = asked.scout.agents.toSorted((a, b) => compareNames(a.node, b.node))
  const reports = new Map<Peer, RowReport>()
  const waiting = agents.values()
  // Each request in flight listens.
  setMaxListeners(0, ended)
  const askNext = async () => {
    for (const agent of waiting) {
      onDone(reports.size)
      reports.set(agent, { agent, answer: await answerOf(agent, asked, ended) })
    }
  }
  await Promise.all(Array.from({ length: inParallel }, askNext))
  return agents.flatMap((agent) => reports.get(agent) ?? [])
}

async function answerOf(
  agent: Peer,
  { scout: { access }, token }: Asked,
  ended: AbortSignal,
): Promise<RowReport['answer']> {
  return asking(ended, async () => {
    try {
      const json = await askAgent({ access, agent, path: '/api/v1/snapshot', token, signal: ended, answerMs })
      const { data, error } = row.safeParse(json)
      if (data !== undefined) return { ok: true, trouble: data.knowledge.trouble, row: data, receivedAtMs: Date.now() }
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

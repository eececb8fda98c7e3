import { setTimeout as sleep } from 'node:timers/promises'
import { ageText, failureGroups, failureSentence, groupBy, type Incident, linkIdOf, printable } from '@scout/core'
import { CommandError, type ExitCode, exitCodes } from '../shell/exit-code.ts'
import { type Io, type Progress, startProgress } from '../shell/io.ts'
import type { RowLook, RowLooking } from './look.ts'
import { meshJson } from './mesh-json.ts'
import { renderMesh, some, summaryOf } from './mesh-text.ts'

export interface Gate {
  /** Time after which no further look begins. */
  readonly waitMs: number
  /** `open`: incidents that have lasted half a minute; `transient`: all of them. */
  readonly failOn: 'open' | 'transient'
}

interface GateFormat {
  readonly gate: Gate
  readonly isJson: boolean
  readonly isExplained: boolean
}

/** What the looks so far show. `trouble`: why there was no later one. */
type Verdict =
  | { readonly verdict: 'well'; readonly summary: string }
  | { readonly verdict: 'failed'; readonly incidents: readonly string[]; readonly trouble?: string }
  | { readonly verdict: 'unknown'; readonly because: readonly string[] }

const codes = { well: exitCodes.ok, failed: exitCodes.failed, unknown: exitCodes.unknown } as const

/** Time between the starts of two looks. */
const intervalMs = 2_000

/**
 * Looks until the mesh is known to be well, or the time is over, and prints the verdict. Results that are older than the command do not count:
 * they show nothing of what was rolled out just before.
 * @throws {ScoutError} if the flags select no Scout
 * @throws {CommandError} if the API server does not permit it
 */
export async function gating(look: RowLooking, format: GateFormat, io: Io): Promise<ExitCode> {
  const { waitMs } = format.gate
  const startedAtMs = Date.now()
  const startMs = performance.now()
  const progress = startProgress(io.err)
  let latest: RowLook | undefined
  let seen: Verdict = { verdict: 'unknown', because: [] }
  for (;;) {
    const beganMs = performance.now()
    const next = await tried(look, progress)
    if ('reports' in next) {
      latest = next
      seen = verdictOf(next, { startedAtMs, failOn: format.gate.failOn })
    } else {
      seen = unanswered(seen, next.message)
    }
    const leftMs = startMs + waitMs - performance.now()
    if (seen.verdict === 'well' || leftMs <= 0 || io.ended.aborted) break
    // The last look begins when the time is over.
    const pauseMs = Math.min(leftMs, Math.max(0, beganMs + intervalMs - performance.now()))
    await sleep(pauseMs, undefined, { signal: io.ended }).catch(() => {}) // ended: the verdict is that of the last look
    if (io.ended.aborted) break
  }
  progress.clear()
  print({ seen, latest, waitedMs: Math.round(performance.now() - startMs) }, format, io)
  return codes[seen.verdict]
}

/** Returns the verdict after a look that was not possible: an incident is still one when the API server stops answering. */
function unanswered(before: Verdict, trouble: string): Verdict {
  return before.verdict === 'failed' ? { ...before, trouble } : { verdict: 'unknown', because: [trouble] }
}

/** Looks; returns why that was not possible, if it may be at the next time. */
async function tried(look: RowLooking, { show }: Progress): Promise<RowLook | Pick<CommandError, 'message'>> {
  try {
    return await look(show)
  } catch (error) {
    if (error instanceof CommandError && error.exitCode === exitCodes.failed) return error
    throw error
  }
}

interface Measure extends Pick<Gate, 'failOn'> {
  /** Wall clock at which the command began. */
  readonly startedAtMs: number
}

function verdictOf(look: RowLook, { startedAtMs, failOn }: Measure): Verdict {
  const present = look.incidents.filter(({ state, severity }) => state !== 'closed' && severity !== 'informational')
  const failed = present.filter(({ state }) => state === 'open' || failOn === 'transient')
  if (failed.length > 0) return { verdict: 'failed', incidents: failed.map(({ id }) => id) }
  const because = [...unheard(look), ...unmeasured(look, startedAtMs), ...undecided(look, present)]
  return because.length > 0 ? { verdict: 'unknown', because } : { verdict: 'well', summary: summaryOf(look.mesh) }
}

/** Returns a sentence for each agent that does not answer, is not ready, or may not know all others. */
function unheard({ reports }: RowLook): readonly string[] {
  return reports.flatMap(({ agent: { node, name, state }, answer }) => {
    if (!answer.ok) return [`${node}: no answer from ${name}: ${answer.message}`]
    if (state !== 'ready') return [`${node}: ${name} is ${state}`]
    const { trouble } = answer.row.knowledge
    return trouble === undefined ? [] : [`${node}: the list of peers may be wrong: ${trouble}`]
  })
}

/** Returns a sentence for each link that nobody probes though it is in a sample, and one for each check without a result from after the start. */
function unmeasured({ reports, mesh: { links, nodes } }: RowLook, startedAtMs: number): readonly string[] {
  const skipped = new Set(
    reports.flatMap(({ agent: { node: from }, answer }) =>
      (answer.ok ? answer.row.peers : []).flatMap(({ node: to, isOutOfSample }) =>
        isOutOfSample === true ? [linkIdOf({ from, to })] : [],
      ),
    ),
  )
  const idle = links.filter((link) => link.state === 'not probed' && !skipped.has(linkIdOf(link)))
  const pending = reports.flatMap(({ answer }) => {
    if (!answer.ok) return []
    const { row, receivedAtMs } = answer
    // On the agent's clock.
    const sinceMs = startedAtMs + row.takenAtMs - receivedAtMs
    return (
      row.series
        .filter(({ to }) => to === undefined || nodes.includes(to))
        // A flow that idles between attempts has none for many minutes.
        .filter(({ socket }) => socket !== 'idle')
        .filter(({ state, last }) => state === 'waiting' || (state !== 'unable' && (last?.startedAtMs ?? 0) < sinceMs))
    )
  })
  return [
    ...idle.map(({ from, to }) => `${from} -> ${to}: no check`),
    ...groupBy(pending, ({ check }) => check).map((ofCheck) => {
      const places = groupBy(ofCheck, ({ from, to }) => (to === undefined ? from : `${from} -> ${to}`))
      const [first] = ofCheck
      const place = first?.to === undefined ? first?.from : `${first.from} -> ${first.to}`
      const others = places.length === 1 ? '' : ` and ${places.length - 1} more`
      return `${first?.check}: no result since the start: ${place}${others}`
    }),
  ]
}

/** Returns sentences about what fails and is too young for a verdict. */
function undecided({ mesh, nowMs }: RowLook, present: readonly Incident[]): readonly string[] {
  if (present.length > 0) return present.map(({ summary }) => `not open yet: ${summary}`)
  return failureGroups([...mesh.links, ...mesh.own]).map((group) => failureSentence(group, nowMs))
}

interface Outcome {
  readonly seen: Verdict
  readonly latest: RowLook | undefined
  readonly waitedMs: number
}

function print({ seen, latest, waitedMs }: Outcome, { isJson, isExplained }: GateFormat, { out, err }: Io): void {
  for (const oddity of latest?.oddities ?? []) err.write(`${printable(oddity)}\n`)
  if (isJson) {
    out.write(`${latest === undefined ? '' : meshJson(latest)}${JSON.stringify({ kind: 'gate', ...seen, waitedMs })}\n`)
    return
  }
  if (latest !== undefined && seen.verdict !== 'well') out.write(`${renderMesh(latest, isExplained, out)}\n`)
  out.write(`${verdictText(seen, waitedMs).map(printable).join('\n')}\n`)
}

/** `well after 12s: 6 links between 3 nodes: 6 ok; dns on 3 nodes: 3 ok` */
function verdictText(seen: Verdict, waitedMs: number): readonly string[] {
  const after = `after ${ageText(waitedMs)}`
  switch (seen.verdict) {
    case 'well':
      return [`well ${after}: ${seen.summary}`]
    case 'failed': {
      const { incidents, trouble } = seen
      const since = trouble === undefined ? '' : `; no later answer: ${trouble}`
      return [`failed ${after}: ${incidents.length === 1 ? 'incident' : 'incidents'} ${incidents.join(', ')}${since}`]
    }
    case 'unknown':
      return [`unknown ${after}, because:`, ...some(seen.because).map((sentence) => `    ${sentence}`)]
  }
}

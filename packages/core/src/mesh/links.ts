import type { Family } from '../model/endpoint.ts'
import type { Row } from './row.ts'
import type { SeriesReport } from './series-report.ts'

/** One agent's answer to a request for its row. */
export interface RowAnswer {
  readonly node: string
  /** Absent if there was no answer. `receivedAtMs` is on the clock of the requesting machine. */
  readonly received?: { readonly row: Row; readonly receivedAtMs: number } | undefined
}

/** A part of a row that says in which state each series is. */
export interface StateAnswer {
  readonly node: string
  readonly received?:
    | {
        readonly row: { readonly takenAtMs: number; readonly series: readonly SeriesState[] }
        readonly receivedAtMs: number
      }
    | undefined
}

export interface SeriesState extends Pick<SeriesReport, 'check' | 'path' | 'family' | 'to' | 'state' | 'sinceMs'> {
  readonly target?: string | undefined
  readonly last?:
    | { readonly ok: true }
    | { readonly ok: false; readonly failure: Pick<FailingCheck, 'reason' | 'phase' | 'message'> }
    | undefined
}

/** State of a link. `unknown` means that the agents of its node did not answer, or that their metrics leave it out. */
export type LinkState = 'ok' | 'failing' | 'waiting' | 'not probed' | 'unknown'

/** All checks from one node to another, or a node's checks that do not target peers. */
export interface Link {
  readonly from: string
  readonly to: string | undefined
  /** `failing` if any check fails over any family; otherwise `ok` if any check is ok; otherwise `waiting`, if any check is. */
  readonly state: LinkState
  /** Number of checks with a known state. */
  readonly checkCount: number
  readonly failing: readonly FailingCheck[]
}

/** A check that fails for one reason, over one or all families. */
export interface FailingCheck {
  readonly check: string
  /** Absent if it fails over all its families. */
  readonly family?: Family | undefined
  /** Absent if the source does not name it. */
  readonly target?: string | undefined
  readonly reason: string
  readonly phase: string
  readonly message: string
  /** Wall clock of this machine. */
  readonly sinceMs: number
}

/** A check that some agents are unable to run, which is no evidence about the network. */
export interface Inability {
  readonly check: string
  readonly message: string
  readonly nodes: readonly string[]
}

/** Combined view of all agents. */
export interface Mesh {
  /** Sorted by name, with numbers in numeric order. */
  readonly nodes: readonly string[]
  /** Every ordered pair of nodes, row by row. */
  readonly links: readonly Link[]
  /** One entry per node for checks that do not target peers; empty if there are none. */
  readonly own: readonly Link[]
  /** Names of those checks. */
  readonly ownChecks: readonly string[]
  readonly inabilities: readonly Inability[]
}

const names = new Intl.Collator('en', { numeric: true })

export function compareNames(a: string, b: string): number {
  return names.compare(a, b)
}

/** Joins the rows of all agents. Agents on the same node are merged. */
export function meshOf(answers: readonly StateAnswer[]): Mesh {
  const nodes = [...new Set(answers.map(({ node }) => node))].toSorted(compareNames)
  const views = nodes.map((node) => viewFrom(node, answers))
  const ownSeries = views.flatMap(({ seriesTo }) => seriesTo.get(undefined) ?? [])
  const ownChecks = [...new Set(ownSeries.map(({ check }) => check))]
  return {
    nodes,
    links: views.flatMap((view) =>
      nodes
        // Agents on the same node can be peers of each other.
        .filter((to) => to !== view.node || view.seriesTo.has(to))
        .map((to) => linkOf(view, to)),
    ),
    own: ownChecks.length === 0 ? [] : views.map((view) => linkOf(view, undefined)),
    ownChecks,
    inabilities: inabilitiesOf(views),
  }
}

/** The links of one node, as its agents reported them. */
interface View {
  readonly node: string
  readonly hasAnswer: boolean
  /** Keyed by the peer's node; undefined for checks that do not target peers. */
  readonly seriesTo: ReadonlyMap<string | undefined, readonly SeriesState[]>
}

function viewFrom(node: string, answers: readonly StateAnswer[]): View {
  const received = answers.flatMap((answer) =>
    answer.node === node && answer.received !== undefined ? [answer.received] : [],
  )
  const seriesTo = new Map<string | undefined, SeriesState[]>()
  for (const { row, receivedAtMs } of received) {
    const aheadMs = row.takenAtMs - receivedAtMs
    for (const series of row.series) {
      // A server of cluster DNS is no peer of its node.
      const to = series.path === 'dns-pod' ? undefined : series.to
      const known = seriesTo.get(to) ?? []
      known.push({ ...series, sinceMs: (series.sinceMs ?? row.takenAtMs) - aheadMs })
      seriesTo.set(to, known)
    }
  }
  return { node, hasAnswer: received.length > 0, seriesTo }
}

function linkOf({ node: from, hasAnswer, seriesTo }: View, to: string | undefined): Link {
  const about = (seriesTo.get(to) ?? []).filter(({ state }) => state !== 'unable')
  const checkCount = new Set(about.map(({ check }) => check)).size
  return { from, to, state: stateOf(about, hasAnswer), checkCount, failing: failingChecks(about) }
}

function stateOf(series: readonly SeriesState[], hasAnswer: boolean): LinkState {
  if (!hasAnswer) return 'unknown'
  const states = new Set(series.map(({ state }) => state))
  return (['failing', 'ok', 'waiting'] as const).find((state) => states.has(state)) ?? 'not probed'
}

function failingChecks(series: readonly SeriesState[]): readonly FailingCheck[] {
  const failing = series.filter(({ state }) => state === 'failing')
  return failing.flatMap((one): readonly FailingCheck[] => {
    const { check, family, target, sinceMs = 0, last } = one
    const { reason, phase, message } = failureOf(last)
    const isOfSame = (other: SeriesState) => other.check === check
    const isEverywhere = series
      .filter(isOfSame)
      .every((other) => other.state === 'failing' && failureOf(other.last).reason === reason)
    // Report one line for both families.
    if (isEverywhere && failing.find(isOfSame) !== one) return []
    const since = isEverywhere ? Math.min(...failing.filter(isOfSame).map((other) => other.sinceMs ?? 0)) : sinceMs
    return [{ check, ...(isEverywhere ? {} : { family }), target, reason, phase, message, sinceMs: since }]
  })
}

const unknownFailure = { reason: 'failure', phase: 'setup', message: 'the reason is unknown' }

function failureOf(last: SeriesState['last']): typeof unknownFailure {
  return last?.ok === false ? last.failure : unknownFailure
}

function inabilitiesOf(views: readonly View[]): readonly Inability[] {
  const found = new Map<string, Inability>()
  for (const { node, seriesTo } of views) {
    const unable = [...seriesTo.values()].flat().filter(({ state }) => state === 'unable')
    for (const { check, last } of unable) {
      const { message } = failureOf(last)
      const before = found.get(`${check} ${message}`)?.nodes ?? []
      found.set(`${check} ${message}`, { check, message, nodes: [...new Set([...before, node])] })
    }
  }
  return [...found.values()]
}

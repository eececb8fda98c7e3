import type { Family } from '../model/endpoint.ts'
import type { Row, SeriesReport } from './row.ts'

/** What one agent answered when it was asked for its row. */
export interface RowAnswer {
  readonly node: string
  /** Absent where there was no answer. `receivedAtMs` is on the clock of the asker. */
  readonly received?: { readonly row: Row; readonly receivedAtMs: number } | undefined
}

/** `unknown`: the agents that would know did not answer. */
export type LinkState = 'ok' | 'failing' | 'waiting' | 'not probed' | 'unknown'

/** From one node to another; or a node's checks that are not about peers. */
export interface Link {
  readonly from: string
  readonly to: string | undefined
  /** Failing where one of its checks is, over any family; else ok where one is, for what waits has nothing to tell yet. */
  readonly state: LinkState
  /** Of how many checks something is known. */
  readonly checkCount: number
  readonly failing: readonly FailingCheck[]
}

/** A check that fails for one reason, over the families where it does. */
export interface FailingCheck {
  readonly check: string
  /** Absent where it fails over every one it has. */
  readonly family?: Family | undefined
  readonly target: string
  readonly reason: string
  readonly phase: string
  readonly message: string
  /** In the time of this machine. */
  readonly sinceMs: number
}

/** A check that an agent is not able to make, which says nothing about the network. */
export interface Inability {
  readonly check: string
  readonly message: string
  readonly nodes: readonly string[]
}

/** What all agents know together. */
export interface Mesh {
  /** In the order of their names, numbers as numbers. */
  readonly nodes: readonly string[]
  /** Every ordered pair of nodes, by rows. */
  readonly links: readonly Link[]
  /** By node: checks that are not about peers, where an agent has any. */
  readonly own: readonly Link[]
  /** Names of those checks. */
  readonly ownChecks: readonly string[]
  readonly inabilities: readonly Inability[]
}

const names = new Intl.Collator('en', { numeric: true })

export function compareNames(a: string, b: string): number {
  return names.compare(a, b)
}

/** Joins the rows of all agents; several on one node speak for it together. */
export function meshOf(answers: readonly RowAnswer[]): Mesh {
  const nodes = [...new Set(answers.map(({ node }) => node))].toSorted(compareNames)
  const views = nodes.map((node) => viewFrom(node, answers))
  const ownSeries = views.flatMap(({ seriesTo }) => seriesTo.get(undefined) ?? [])
  const ownChecks = [...new Set(ownSeries.map(({ check }) => check))]
  return {
    nodes,
    links: views.flatMap((view) =>
      nodes
        // Several agents on one node are peers, too.
        .filter((to) => to !== view.node || view.seriesTo.has(to))
        .map((to) => linkOf(view, to)),
    ),
    own: ownChecks.length === 0 ? [] : views.map((view) => linkOf(view, undefined)),
    ownChecks,
    inabilities: inabilitiesOf(views),
  }
}

/** What is known of a node's links. */
interface View {
  readonly node: string
  readonly hasAnswer: boolean
  /** By node of the peer; undefined for checks that are about none. */
  readonly seriesTo: ReadonlyMap<string | undefined, readonly SeriesReport[]>
}

function viewFrom(node: string, answers: readonly RowAnswer[]): View {
  const received = answers.flatMap((answer) =>
    answer.node === node && answer.received !== undefined ? [answer.received] : [],
  )
  const seriesTo = new Map<string | undefined, SeriesReport[]>()
  for (const { row, receivedAtMs } of received) {
    const aheadMs = row.takenAtMs - receivedAtMs
    for (const series of row.series) {
      const known = seriesTo.get(series.to) ?? []
      known.push({ ...series, sinceMs: (series.sinceMs ?? row.takenAtMs) - aheadMs })
      seriesTo.set(series.to, known)
    }
  }
  return { node, hasAnswer: received.length > 0, seriesTo }
}

function linkOf({ node: from, hasAnswer, seriesTo }: View, to: string | undefined): Link {
  const about = (seriesTo.get(to) ?? []).filter(({ state }) => state !== 'unable')
  const checkCount = new Set(about.map(({ check }) => check)).size
  return { from, to, state: stateOf(about, hasAnswer), checkCount, failing: failingChecks(about) }
}

function stateOf(series: readonly SeriesReport[], hasAnswer: boolean): LinkState {
  if (!hasAnswer) return 'unknown'
  const states = new Set(series.map(({ state }) => state))
  return (['failing', 'ok', 'waiting'] as const).find((state) => states.has(state)) ?? 'not probed'
}

function failingChecks(series: readonly SeriesReport[]): readonly FailingCheck[] {
  const failing = series.filter(({ state }) => state === 'failing')
  return failing.flatMap((one): readonly FailingCheck[] => {
    const { check, family, target, sinceMs = 0, last } = one
    const { reason, phase, message } = failureOf(last)
    const isOfSame = (other: SeriesReport) => other.check === check
    const isEverywhere = series
      .filter(isOfSame)
      .every((other) => other.state === 'failing' && failureOf(other.last).reason === reason)
    // One line stands for both families.
    if (isEverywhere && failing.find(isOfSame) !== one) return []
    const since = isEverywhere ? Math.min(...failing.filter(isOfSame).map((other) => other.sinceMs ?? 0)) : sinceMs
    return [{ check, ...(isEverywhere ? {} : { family }), target, reason, phase, message, sinceMs: since }]
  })
}

const unknownFailure = { reason: 'failure', phase: 'setup', message: 'no reason is known' }

function failureOf(last: SeriesReport['last']): typeof unknownFailure {
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

import { type AnyResult, type FailureReason, type Family, outcomeOf, type Protocol } from '@scout/core'
import type { Peer } from '../peers/peer.ts'
import type { Check } from '../plan/check.ts'

/** Upper edges in seconds: geometric from 50 µs, and dense where one, two and three lost SYNs end (1, 3 and 7 s). */
export const bucketEdgesSeconds = [
  0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 0.95, 1.1, 2.9, 3.2, 6.9, 7.2,
] as const

/** How many failures a series keeps with everything known about them. */
const keptFailures = 5

/** One thing that is measured again and again: a check on one peer's address, or a check of a target of its own. */
export interface SeriesKey {
  readonly check: Check
  /** Absent for a check that is not about peers. */
  readonly peer?: Peer | undefined
  readonly target: string
  readonly family?: Family | undefined
}

type ByReason = Readonly<Partial<Record<FailureReason, number>>>

/** Attempts by what came of them. */
export interface Counts {
  readonly successes: number
  readonly failures: ByReason
  /** Attempts for which this process lacked what the probe needs, so that nothing was sent; absent where there were none. */
  readonly unable?: ByReason | undefined
}

/** What is remembered of a series; immutable, replaced by each result. */
export interface Series extends SeriesKey, Counts {
  readonly attempts: number
  /** What came of series that are gone, of the same check between the same nodes; absent where there are none. */
  readonly inherited?: Counts | undefined
  /** Results that say nothing, because the peer's state changed while they were under way. */
  readonly setAside: number
  /** Successes by duration: one count an edge, and one above the last. */
  readonly buckets: readonly number[]
  readonly sumNs: number
  readonly last?: AnyResult | undefined
  /** Whether the last attempt succeeded, and the wall clock since which that has been so. */
  readonly isFailing: boolean
  readonly sinceMs?: number | undefined
  /** Newest last. */
  readonly recentFailures: readonly AnyResult[]
}

/** What a counter must not lose: the durations of peers that are gone, summed by what a histogram tells apart. */
export interface Departed extends Pick<Series, 'family' | 'buckets' | 'sumNs'> {
  readonly check: string
  readonly protocol: Protocol
  readonly zone?: string | undefined
}

/** What came of recording a result. */
export type Recorded = 'set-aside' | 'steady' | 'began-failing' | 'recovered'

/**
 * An agent's memory of its links: one series for each check, peer and family. Of a peer that is gone nothing stays but what would make
 * a counter go down that others have a part in: its durations, and its counts for as long as another series is counted with it.
 */
export interface Ledger {
  readonly series: ReadonlyMap<string, Series>
  readonly departed: readonly Departed[]
  /** Results of peers that were gone, and set-aside results of those that went. */
  readonly setAside: number
  /** From now on these series and no others. */
  setSeries(keys: ReadonlyMap<string, SeriesKey>): void
  /** `isCounted` is false when the result says nothing about the network. */
  record(id: string, result: AnyResult, isCounted: boolean): Recorded
}

export function createLedger(): Ledger {
  let series = new Map<string, Series>()
  const departed = new Map<string, Departed>()
  let setAside = 0

  const bury = ({ check: { name: check, protocol }, family, peer, buckets, sumNs }: Series) => {
    const zone = peer?.zone
    const key = JSON.stringify([check, family, zone])
    const before = departed.get(key) ?? { buckets: emptySeries.buckets, sumNs: 0 }
    const together = buckets.map((count, i) => count + (before.buckets[i] ?? 0))
    departed.set(key, { check, protocol, family, zone, buckets: together, sumNs: sumNs + before.sumNs })
  }

  return {
    get series() {
      return series
    },
    get departed() {
      return [...departed.values()]
    },
    get setAside() {
      return setAside
    },
    setSeries(keys) {
      const gone = [...series].flatMap(([id, one]) => (keys.has(id) ? [] : [one]))
      series = new Map([...keys].map(([id, key]) => [id, { ...(series.get(id) ?? emptySeries), ...key }]))
      for (const one of gone) if (one.successes > 0) bury(one)
      bequeath(gone, series)
    },
    record(id, result, isCounted) {
      const before = series.get(id)
      if (before === undefined || !isCounted) {
        setAside++
        if (before !== undefined) series.set(id, { ...before, setAside: before.setAside + 1 })
        return 'set-aside'
      }
      const isFailing = !result.ok && outcomeOf(result) !== 'unable'
      const isChange = before.attempts === 0 ? isFailing : before.isFailing !== isFailing
      series.set(id, {
        ...before,
        attempts: before.attempts + 1,
        last: result,
        isFailing,
        sinceMs: isChange || before.attempts === 0 ? result.startedAtMs : before.sinceMs,
        ...countsAfter(before, result),
      })
      if (!isChange) return 'steady'
      return isFailing ? 'began-failing' : 'recovered'
    },
  }
}

const emptySeries = {
  attempts: 0,
  successes: 0,
  failures: {},
  setAside: 0,
  buckets: new Array<number>(bucketEdgesSeconds.length + 1).fill(0),
  sumNs: 0,
  isFailing: false,
  recentFailures: [],
} as const satisfies Omit<Series, keyof SeriesKey>

/** Those that are gone leave their counts to one with the same labels, and nothing where there is none. */
function bequeath(gone: readonly Series[], series: Map<string, Series>): void {
  const estates = gone.filter(({ attempts, inherited }) => attempts > 0 || inherited !== undefined)
  if (estates.length === 0) return
  const heirs = new Map([...series].map(([id, key]) => [placeOf(key), id]))
  for (const one of estates) {
    const id = heirs.get(placeOf(one)) ?? ''
    const heir = series.get(id)
    if (heir !== undefined) series.set(id, { ...heir, inherited: sumOf(sumOf(one, one.inherited), heir.inherited) })
  }
}

/** What a series shares with all that have the same labels in the metrics. */
function placeOf({ check, family, peer }: SeriesKey): string {
  return JSON.stringify([check.name, family, peer?.node, peer?.zone])
}

export function sumOf({ successes, failures, unable }: Counts, more: Counts = emptySeries): Counts {
  return {
    successes: successes + more.successes,
    failures: sumByReason(failures, more.failures),
    ...(unable === undefined && more.unable === undefined ? {} : { unable: sumByReason(unable, more.unable) }),
  }
}

function sumByReason(a: ByReason = {}, b: ByReason = {}): ByReason {
  const sum: Record<string, number> = { ...a }
  for (const [reason, count] of Object.entries(b)) sum[reason] = (sum[reason] ?? 0) + count
  return sum
}

function countsAfter(before: Series, result: AnyResult): Partial<Series> {
  if (result.ok) return withSuccess(before, result.totalNs)
  const { reason } = result.failure
  if (outcomeOf(result) === 'unable') return { unable: oneMore(before.unable, reason) }
  return {
    failures: oneMore(before.failures, reason),
    recentFailures: [...before.recentFailures, result].slice(-keptFailures),
  }
}

function withSuccess({ successes, sumNs, buckets }: Series, totalNs: number) {
  const found = bucketEdgesSeconds.findIndex((edge) => totalNs <= edge * 1e9)
  const bucket = found < 0 ? bucketEdgesSeconds.length : found
  return {
    successes: successes + 1,
    sumNs: sumNs + totalNs,
    buckets: buckets.with(bucket, (buckets[bucket] ?? 0) + 1),
  }
}

function oneMore(counts: ByReason = {}, reason: FailureReason): ByReason {
  return { ...counts, [reason]: (counts[reason] ?? 0) + 1 }
}

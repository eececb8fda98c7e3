import type { AnyResult, FailureReason, Family, Protocol } from '@scout/core'
import type { Check } from './check.ts'
import { isIncapable } from './incapable.ts'
import type { Peer } from './peer.ts'

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

/** What is remembered of a series; immutable, replaced by each result. */
export interface Series extends SeriesKey {
  readonly attempts: number
  readonly successes: number
  readonly failures: Readonly<Partial<Record<FailureReason, number>>>
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

/** An agent's memory of its links: one series for each check, peer and family, and nothing of peers that are gone. */
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
      for (const [id, one] of series) if (!keys.has(id) && one.successes > 0) bury(one)
      series = new Map([...keys].map(([id, key]) => [id, { ...(series.get(id) ?? emptySeries), ...key }]))
    },
    record(id, result, isCounted) {
      const before = series.get(id)
      if (before === undefined || !isCounted) {
        setAside++
        if (before !== undefined) series.set(id, { ...before, setAside: before.setAside + 1 })
        return 'set-aside'
      }
      const isFailing = !result.ok && !isIncapable(result)
      const isChange = before.attempts === 0 ? isFailing : before.isFailing !== isFailing
      series.set(id, {
        ...before,
        attempts: before.attempts + 1,
        last: result,
        isFailing,
        sinceMs: isChange || before.attempts === 0 ? result.startedAtMs : before.sinceMs,
        ...(result.ok ? withSuccess(before, result.totalNs) : withFailure(before, result)),
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

function withSuccess({ successes, sumNs, buckets }: Series, totalNs: number) {
  const found = bucketEdgesSeconds.findIndex((edge) => totalNs <= edge * 1e9)
  const bucket = found < 0 ? bucketEdgesSeconds.length : found
  return {
    successes: successes + 1,
    sumNs: sumNs + totalNs,
    buckets: buckets.with(bucket, (buckets[bucket] ?? 0) + 1),
  }
}

function withFailure({ failures, recentFailures }: Series, result: AnyResult & { readonly ok: false }) {
  const { reason } = result.failure
  return {
    failures: { ...failures, [reason]: (failures[reason] ?? 0) + 1 },
    recentFailures: [...recentFailures, result].slice(-keptFailures),
  }
}

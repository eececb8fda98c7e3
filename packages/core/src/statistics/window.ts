import { type FailureReason, isFailureReason, type Outcome, outcomeFor } from '../model/failure.ts'
import { addPackets, type PacketSum, type Packets } from '../model/packets.ts'
import type { Result } from '../probes/result.ts'
import { Histogram } from './histogram.ts'

/** Kind of results a probe yields: see `Probe.yields`. */
export type Yields = 'time' | 'facts'

export type ByReason = Readonly<Partial<Record<FailureReason, number>>>

/** Attempts by outcome. Outcomes of failures follow from the table of reasons, so they need no separate counters. */
export interface Counts {
  readonly passed: number
  readonly reasons: ByReason
  readonly packets?: Packets | undefined
}

/** Returns the path time in nanoseconds. This is the only definition of an attempt's duration; it excludes name resolution. */
export function pathNs({ totalNs, phasesNs }: Pick<Result, 'totalNs' | 'phasesNs'>): number {
  return totalNs - (phasesNs['resolve'] ?? 0)
}

/** Counts results by outcome. */
export class Counter implements Counts {
  #passed = 0
  #reasons: Partial<Record<FailureReason, number>> = {}
  #packets: PacketSum | undefined

  get passed(): number {
    return this.#passed
  }

  get reasons(): ByReason {
    return this.#reasons
  }

  get packets(): Packets | undefined {
    return this.#packets === undefined ? undefined : { ...this.#packets }
  }

  add(result: Result): void {
    if (result.packets !== undefined) this.#addPackets(result.packets)
    if (result.ok) this.#passed += result.condensed?.attempts ?? 1
    else this.#addReason(result.failure.reason, 1)
  }

  merge({ passed, reasons, packets }: Counts): void {
    this.#passed += passed
    for (const [reason, count] of entriesOf(reasons)) this.#addReason(reason, count)
    if (packets !== undefined) this.#addPackets(packets)
  }

  #addReason(reason: FailureReason, count: number): void {
    this.#reasons[reason] = (this.#reasons[reason] ?? 0) + count
  }

  #addPackets(packets: Packets): void {
    if (this.#packets === undefined) this.#packets = { ...packets }
    else addPackets(this.#packets, packets)
  }
}

/** Accumulates the results of one series over a period: counts, and the path times of successes. */
export class Window {
  readonly counts = new Counter()
  readonly times = new Histogram()

  /** Adds a result: one time, even if it stands for several attempts. `yields` is the probe's, because the durations of facts are not comparable. */
  add(result: Result, yields: Yields): void {
    this.counts.add(result)
    if (result.ok && yields === 'time') this.times.record(pathNs(result))
  }

  merge(other: Window): void {
    this.counts.merge(other.counts)
    this.times.merge(other.times)
  }
}

/** Returns the number of attempts with this outcome. */
export function countOf({ passed, reasons }: Pick<Counts, 'passed' | 'reasons'>, outcome: Outcome): number {
  if (outcome === 'success') return passed
  return entriesOf(reasons).reduce((sum, [reason, count]) => (outcomeFor(reason) === outcome ? sum + count : sum), 0)
}

/** Returns the number of all attempts. */
export function attemptsOf({ passed, reasons }: Pick<Counts, 'passed' | 'reasons'>): number {
  return entriesOf(reasons).reduce((sum, [, count]) => sum + count, passed)
}

/** Returns the reasons with their counts. Unlike Object.entries, it keeps the type of the reasons. */
export function entriesOf(reasons: ByReason): readonly (readonly [FailureReason, number])[] {
  return Object.entries(reasons).flatMap(([reason, count]) =>
    isFailureReason(reason) ? [[reason, count] as const] : [],
  )
}

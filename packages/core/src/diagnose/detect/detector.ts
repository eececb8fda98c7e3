import { type FailureReason, outcomeOf } from '../../model/failure.ts'
import type { Packets } from '../../model/packets.ts'
import { pathNs, type Yields } from '../../statistics/window.ts'
import type { Loss, Remark } from '../evidence.ts'
import { LossChart } from './chart.ts'
import { Directions, type Reported } from './directions.ts'
import { type LatencyAlarm, LatencyChart } from './latency.ts'
import { type Odd, OddChart, oddRules } from './odd.ts'
import type { LossAlarm } from './tally.ts'

/** What is wrong with a series that neither passes nor fails as a whole. */
export interface Detected {
  /** Some attempts are lost: wall clock of the first, and attempts since then. */
  readonly loss?: (Loss & Since) | undefined
  /** Some packets arrive twice. */
  readonly duplicated?: Odd | undefined
  /** Some are overtaken by later ones; trials are volleys. */
  readonly reordered?: Odd | undefined
  /** Some arrive with another DSCP than they were sent with: that one, and the other, of the newest. */
  readonly remarked?: (Odd & { readonly dscp?: Remark | undefined }) | undefined
  /** Successes take longer than usual by this much, or times vary. */
  readonly slow?: LatencyAlarm | undefined
}

interface Since {
  readonly sinceMs: number
  readonly trials: number
}

/** The part of a result that matters here. */
type Attempted = {
  readonly totalNs: number
  readonly phasesNs: Readonly<Partial<Record<string, number>>>
  readonly clock: { readonly rx: string }
  readonly packets?: Pick<
    Packets,
    'arrived' | 'lostForth' | 'returned' | 'duplicated' | 'duplicatedForth' | 'remarkedForth' | 'remarkedBack'
  > &
    Partial<Pick<Packets, 'reordered' | 'reorderedForth'>>
  readonly detail?: unknown
  readonly condensed?: { readonly attempts: number; readonly spanMs: number }
} & ({ readonly ok: true } | { readonly ok: false; readonly failure: { readonly reason: FailureReason } })

interface DetectorOptions {
  /** Nats at which a chart alarms: `thresholdOf`. */
  readonly threshold: number
  /** What the probe yields: times of facts do not compare. */
  readonly yields: Yields
  /** Chart over all series of its link, which alarms sooner than each of them. */
  readonly link?: LossChart | undefined
}

/** A share of lost attempts is that of a lossy link if it exceeds what is usual by this factor. */
const excess = 3
/** Attempts in a row that are lost at random, as opposed to an outage. */
const mostLost = 2
const noRun = { length: 0, sinceMs: 0 } as const
const single = { attempts: 1, spanMs: 0 } as const
/** What is wrong with a healthy series. */
const nothing: Detected = {}

/** Watches one series for loss, delay and packets that arrive oddly. */
export class Detector {
  readonly #loss: LossChart
  readonly #directions = new Directions()
  readonly #duplicated = new OddChart(oddRules.duplicated)
  readonly #reordered = new OddChart(oddRules.reordered)
  readonly #remarked = new OddChart(oddRules.remarked)
  #remark: Remark | undefined
  readonly #latency: LatencyChart | undefined
  readonly #link: LossChart | undefined
  /** Least time between the results by which latency is judged, and wall clock of the newest of them. */
  #judged = { everyMs: 0, atMs: Number.NEGATIVE_INFINITY }
  /** Bad results in a row at present, and wall clock of the first. */
  #run: Readonly<Record<'length' | 'sinceMs', number>> = noRun

  constructor({ threshold, yields, link }: DetectorOptions) {
    this.#loss = new LossChart(threshold)
    this.#latency = yields === 'time' ? new LatencyChart(threshold) : undefined
    this.#link = link
  }

  /**
   * Sets the nats at which charts alarm: that of loss has each attempt, that of latency each result, which may stand for several. Of results
   * that come sooner than `resultsMs` after each other, latency has one.
   */
  setThresholds({
    attempts,
    results,
    resultsMs,
  }: Readonly<Record<'attempts' | 'results' | 'resultsMs', number>>): void {
    this.#loss.threshold = attempts
    if (this.#latency !== undefined) this.#latency.threshold = results
    this.#judged.everyMs = resultsMs
  }

  /** Adds a result. `startedAtMs` is wall clock. */
  add(result: Attempted, startedAtMs: number): void {
    const outcome = outcomeOf(result)
    if (outcome !== 'success' && outcome !== 'failure') return
    const isBad = outcome === 'failure' || isRetransmitted(result.detail)
    if (isBad) this.#addBad(startedAtMs)
    else this.#addGood(result.condensed, startedAtMs)
    this.#countDirections(result)
    this.#countOdd(result, startedAtMs)
    // The event loop stamps late on a busy host.
    if (!isBad && result.clock.rx !== 'user') this.#judgeLatency(result, startedAtMs)
  }

  /** A stream has a result for each answer where answers differ, as over ways of different length: that must not make latency alarm sooner. */
  #judgeLatency(result: Attempted, atMs: number): void {
    const { everyMs, atMs: beforeMs } = this.#judged
    if (Math.abs(atMs - beforeMs) < everyMs) return
    this.#judged.atMs = atMs
    this.#latency?.add(roundTripNs(result), atMs)
  }

  /** Where nobody counts what arrives, what is odd has no direction, and copies may be those of another target behind the address. */
  #countOdd({ packets, detail }: Attempted, atMs: number): void {
    if (packets?.arrived === undefined) return
    const { returned: trials, duplicated, duplicatedForth = 0, remarkedForth, remarkedBack = 0 } = packets
    const { reordered = 0, reorderedForth } = packets
    this.#duplicated.add({ trials, forth: duplicatedForth, back: duplicated - duplicatedForth }, atMs)
    if (reorderedForth !== undefined) {
      const back = reordered - reorderedForth
      this.#reordered.add({ trials: 1, forth: Number(reorderedForth > 0), back: Number(back > 0) }, atMs)
    }
    if (remarkedForth === undefined) return
    this.#remarked.add({ trials, forth: remarkedForth, back: remarkedBack }, atMs)
    if (remarkedForth + remarkedBack > 0) this.#remark = remarkIn(detail)
  }

  /** Counts while it or its link remembers a loss: the fewer are lost, the sooner the series alone has forgotten. */
  #countDirections(result: Attempted): void {
    if (this.#loss.isQuiet && this.#link?.isQuiet !== false) return this.#directions.forget()
    const reported = reportedBy(result)
    if (reported !== undefined) this.#directions.add(reported)
  }

  #addBad(atMs: number): void {
    this.#loss.add(true, atMs)
    const { length, sinceMs } = this.#run
    this.#run = { length: length + 1, sinceMs: length === 0 ? atMs : sinceMs }
  }

  /**
   * Adds the attempts that a success stands for, evenly over the time in which they were made. To its link, a series that fails for long has
   * an outage and no loss. Which of both it is shows when it passes again.
   */
  #addGood({ attempts, spanMs }: Readonly<Record<'attempts' | 'spanMs', number>> = single, lastMs: number): void {
    this.#loss.addGood(attempts, lastMs - spanMs, lastMs)
    const { length, sinceMs } = this.#run
    if (length > 0) {
      if (length <= mostLost) this.#link?.add(true, sinceMs)
      this.#run = noRun
    }
    this.#link?.addGood(attempts, lastMs - spanMs, lastMs)
  }

  get state(): Detected {
    const loss = this.#lossAlarm()
    const duplicated = this.#duplicated.alarm
    const reordered = this.#reordered.alarm
    const remarked = this.#remarked.alarm
    const slow = this.#latency?.alarm
    if ((loss ?? duplicated ?? reordered ?? remarked ?? slow) === undefined) return nothing
    return {
      ...(loss === undefined
        ? {}
        : { loss: { ...loss.loss, ...this.#directions.losses, sinceMs: loss.sinceMs, trials: loss.trials } }),
      ...(duplicated === undefined ? {} : { duplicated }),
      ...(reordered === undefined ? {} : { reordered }),
      ...(remarked === undefined ? {} : { remarked: { ...remarked, dscp: this.#remark } }),
      ...(slow === undefined ? {} : { slow }),
    }
  }

  #lossAlarm(): LossAlarm | undefined {
    const own = this.#loss.alarm
    if (own !== undefined) return own
    const ofLink = this.#link?.alarm
    const suspicion = ofLink === undefined ? undefined : this.#loss.suspicion
    if (ofLink === undefined || suspicion === undefined) return undefined
    return suspicion.loss.low > excess * this.#loss.healthyRate
      ? { ...suspicion, sinceMs: Math.min(ofLink.sinceMs, suspicion.sinceMs) }
      : undefined
  }
}

/** Returns the time of the path alone: with a connection that of its handshake, which the other kernel answers. */
function roundTripNs(result: Attempted): number {
  return result.phasesNs['connect'] ?? pathNs(result)
}

/** Returns what a result reports about packets before it; undefined if that cannot be known. */
function reportedBy({ packets }: Attempted): Reported | undefined {
  if (packets?.lostForth === undefined || packets.arrived === undefined) return undefined
  const { lostForth: forth, arrived, returned } = packets
  return { forth, back: arrived - returned, returned }
}

/** Returns whether TCP hid a loss: it repeated the SYN. */
function isRetransmitted(detail: unknown): boolean {
  return (
    typeof detail === 'object' && detail !== null && 'synRetransmits' in detail && Number(detail.synRetransmits) > 0
  )
}

/** Returns how a DSCP was changed, of both ways on the way there. */
function remarkIn(detail: unknown): Remark | undefined {
  const [sent, arrived, returned] = ['dscpSent', 'dscpArrived', 'dscpReturned'].map((name) => numberIn(detail, name))
  const seen = arrived === sent ? returned : arrived
  return sent === undefined || seen === undefined ? undefined : { sent, seen }
}

function numberIn(detail: unknown, name: string): number | undefined {
  const value: unknown = typeof detail === 'object' && detail !== null ? Reflect.get(detail, name) : undefined
  return typeof value === 'number' ? value : undefined
}

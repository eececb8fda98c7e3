/**
 * Source of a timestamp: the kernel's packet timestamps (SO_TIMESTAMPING), the kernel's round-trip estimate of a TCP connection
 * (`TCP_INFO`), or this process (`user`: includes event loop delays).
 */
export type Clock = 'kernel' | 'tcp-info' | 'user'

/** Clocks of a result: of the departure (`tx`) and of the arrival (`rx`). */
export interface Clocks {
  readonly tx: Clock
  readonly rx: Clock
}

/** Reads the monotonic clock in nanoseconds. As a number it is exact for 104 days of uptime, within 2 ns for another 104, and so on. */
export function nowNs(): number {
  return Number(process.hrtime.bigint())
}

/** Returns the wall clock in nanoseconds since 1970, as exact as a double holds it: to a quarter of a microsecond. */
export function unixNowNs(): bigint {
  return BigInt(Math.round((performance.timeOrigin + performance.now()) * 1e6))
}

/** Both timestamps from the kernel. */
export const kernelClocks: Clocks = { tx: 'kernel', rx: 'kernel' }

/** Both timestamps from this process. */
export const userClocks: Clocks = { tx: 'user', rx: 'user' }

export function clocksOf(tx: Clock, rx: Clock): Clocks {
  return tx === 'kernel' && rx === 'kernel' ? kernelClocks : { tx, rx }
}

/** Maps `enum clock` of native/records.h. */
export function clockOf(clock: number): Clock {
  return clock === 1 ? 'kernel' : 'user'
}

export interface Reading<Phase extends string> {
  readonly phasesNs: Readonly<Partial<Record<Phase | 'resolve', number>>>
  readonly totalNs: number
  readonly clocks: Clocks
}

/** Splits one attempt into disjoint phases. Its clock is the least exact clock of any phase after `resolve`. */
export class Stopwatch<Phase extends string> {
  #phasesNs: Partial<Record<Phase | 'resolve', number>> = {}
  #current: Phase | 'resolve' | undefined
  /** Undefined while no phase is in progress. */
  #enteredNs: number | undefined
  #clocks: Clocks | undefined

  /** The phase in progress, or else the last one that ended; undefined before the first. */
  get current(): Phase | 'resolve' | undefined {
    return this.#current
  }

  /** Returns a copy of the finished phases, with their sum and clock. */
  reading(): Reading<Phase> {
    const phasesNs = { ...this.#phasesNs }
    return { phasesNs, totalNs: sumOf(phasesNs), clocks: this.#clocks ?? userClocks }
  }

  /**
   * Starts a phase and ends the one in progress, now or at an earlier time by the clock of `nowNs`. That is not before the start of the
   * phase in progress, so that no phase is negative.
   */
  enter(phase: Phase | 'resolve', atNs = nowNs()): void {
    const startNs = Math.max(atNs, this.#enteredNs ?? atNs)
    this.#endAt(startNs)
    this.#current = phase
    this.#enteredNs = startNs
  }

  /** Ends the phase in progress, if any, with its duration by a better clock. A phase that happens again adds to its time. */
  settle(tookNs: number, by: Clocks): void {
    if (this.#enteredNs === undefined || this.#current === undefined) return
    this.#enteredNs = undefined
    this.#phasesNs[this.#current] = (this.#phasesNs[this.#current] ?? 0) + tookNs
    if (this.#current === 'resolve') return
    this.#clocks = this.#clocks === undefined ? by : lessExact(this.#clocks, by)
  }

  /** Ends the phase in progress. Replaces the durations of the first phases after `resolve` with those of a better clock. */
  revise(tookNs: Readonly<Partial<Record<Phase, number>>>, by: Clocks): void {
    this.stop()
    const { resolve, ...others } = { ...this.#phasesNs }
    this.#phasesNs = Object.assign(resolve === undefined ? {} : { resolve }, tookNs, without(others, tookNs))
    if (Object.keys(others).every((phase) => phase in tookNs)) this.#clocks = by
  }

  stop(): void {
    this.#endAt(nowNs())
  }

  #endAt(atNs: number): void {
    if (this.#enteredNs !== undefined) this.settle(atNs - this.#enteredNs, userClocks)
  }
}

function sumOf(phasesNs: Readonly<Record<string, number | undefined>>): number {
  return Object.values(phasesNs).reduce<number>((sum, phaseNs) => sum + (phaseNs ?? 0), 0)
}

function without(phases: object, taken: object): object {
  return Object.fromEntries(Object.entries(phases).filter(([phase]) => !(phase in taken)))
}

const exactness = ['user', 'tcp-info', 'kernel'] as const

function lessExact(a: Clocks, b: Clocks): Clocks {
  const less = (x: Clock, y: Clock) => (exactness.indexOf(x) <= exactness.indexOf(y) ? x : y)
  return { tx: less(a.tx, b.tx), rx: less(a.rx, b.rx) }
}

import type { Clocks } from './probe.ts'

/** The monotonic clock in nanoseconds; as a number exact for 104 days of uptime, within 2 ns for another 104, and so on. */
export function nowNs(): number {
  return Number(process.hrtime.bigint())
}

/** Both stamps taken by this process. */
export const userClocks: Clocks = { tx: 'user', rx: 'user' }

export interface Stopwatch<Phase extends string> {
  /** The phase in progress, or that ended last; undefined before the first. */
  readonly current: Phase | undefined
  readonly phasesNs: Readonly<Partial<Record<Phase, number>>>
  readonly clocks: Clocks
  enter(phase: Phase): void
  settle(tookNs: number, clocks: Clocks): void
  /** Ends the phase in progress. These phases, the first of all but `resolve`, took as long as this by a better clock. */
  revise(tookNs: Readonly<Partial<Record<Phase, number>>>, clocks: Clocks): void
  stop(): void
  elapsedNs(): number
}

/** Splits one attempt into disjoint phases. Its clock is the least exact one that any phase after `resolve` was taken with. */
export function startStopwatch<Phase extends string>(): Stopwatch<Phase | 'resolve'> {
  const startNs = nowNs()
  const phasesNs: Partial<Record<Phase | 'resolve', number>> = {}
  let current: Phase | 'resolve' | undefined
  let isRunning = false
  let enteredNs = startNs
  let clocks: Clocks | undefined

  const end = (tookNs: number, by: Clocks) => {
    if (!isRunning || current === undefined) return
    phasesNs[current] = tookNs
    isRunning = false
    if (current !== 'resolve')
      clocks = clocks === undefined ? by : { tx: lessExact(clocks.tx, by.tx), rx: lessExact(clocks.rx, by.rx) }
  }

  return {
    get current() {
      return current
    },
    get clocks() {
      return clocks ?? userClocks
    },
    phasesNs,
    enter(phase) {
      const now = nowNs()
      end(now - enteredNs, userClocks)
      current = phase
      isRunning = true
      enteredNs = now
    },
    settle: end,
    revise(tookNs, by) {
      end(nowNs() - enteredNs, userClocks)
      const { resolve, ...others } = { ...phasesNs }
      for (const phase of Object.keys(phasesNs)) Reflect.deleteProperty(phasesNs, phase)
      Object.assign(phasesNs, resolve === undefined ? {} : { resolve }, tookNs, without(others, tookNs))
      if (Object.keys(others).every((phase) => phase in tookNs)) clocks = by
    },
    stop: () => end(nowNs() - enteredNs, userClocks),
    elapsedNs: () => nowNs() - startNs,
  }
}

function without(phases: object, taken: object): object {
  return Object.fromEntries(Object.entries(phases).filter(([phase]) => !(phase in taken)))
}

const exactness = ['user', 'tcp-info', 'kernel'] as const

function lessExact(a: Clocks['tx'], b: Clocks['tx']): Clocks['tx'] {
  return exactness.indexOf(a) <= exactness.indexOf(b) ? a : b
}

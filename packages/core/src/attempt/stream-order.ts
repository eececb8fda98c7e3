import { nowNs } from '../time/clock.ts'
import type { NumberedResult } from './task.ts'

/**
 * Passes on the results of a stream in the order in which their attempts started. An answer is known at once, and a loss only when its time
 * is over: without this, what is lost in a row would be reported between the answers after it, as if it were lost one by one.
 */
export interface StreamOrder {
  add(one: NumberedResult): void
  /** Passes on what waits. */
  flush(): void
  /** Drops what waits. */
  stop(): void
}

interface StreamOrderOptions {
  /** Time between attempts. */
  readonly spacingNs: number
  readonly timeoutMs: number
  readonly pass: (one: NumberedResult) => void
}

/** Part of the spacing by which attempts may be late, so that none is missed between two. */
const slack = 0.5
/** How long after its deadline a loss may be reported. */
const reportNs = 100e6

/** Creates one that knows of no result. */
export function createStreamOrder({ spacingNs, timeoutMs, pass }: StreamOrderOptions): StreamOrder {
  /** By start. */
  let waiting: readonly NumberedResult[] = []
  /** Start of the last attempt that was passed on. */
  let untilNs = Number.NEGATIVE_INFINITY
  let timer: NodeJS.Timeout | undefined

  /** Returns when all attempts before it are known, if none of their results is lost. */
  const knownNs = (one: NumberedResult): number => {
    const beganNs = beginningOf(one)
    const isNext = untilNs === Number.NEGATIVE_INFINITY || beganNs - untilNs <= (1 + slack) * spacingNs
    return isNext ? beganNs : beganNs + timeoutMs * 1e6 + (one.result.ok ? reportNs : 0)
  }

  const passFirst = (first: NumberedResult) => {
    waiting = waiting.slice(1)
    untilNs = Math.max(untilNs, first.startedNs)
    pass(first)
  }

  const release = () => {
    clearTimeout(timer)
    timer = undefined
    const atNs = nowNs()
    let [first] = waiting
    while (first !== undefined && knownNs(first) <= atNs) {
      passFirst(first)
      first = waiting[0]
    }
    if (first !== undefined) timer = setTimeout(release, Math.max(1, Math.ceil((knownNs(first) - atNs) / 1e6)))
  }

  return {
    add(one) {
      waiting = waiting.length === 0 ? [one] : [...waiting, one].toSorted((a, b) => a.startedNs - b.startedNs)
      release()
    },
    flush() {
      for (const one of waiting) passFirst(one)
      release()
    },
    stop() {
      clearTimeout(timer)
      waiting = []
    },
  }
}

/** Returns the start of the first attempt that a result stands for. */
function beginningOf({ startedNs, result }: NumberedResult): number {
  return startedNs - (result.ok ? (result.condensed?.spanMs ?? 0) * 1e6 : 0)
}

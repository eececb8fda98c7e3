/** @typedef {{ readonly atMs: number, readonly order: number, readonly run: () => void }} Timer */

/** Wall clock at which every simulation starts. */
const startMs = Date.UTC(2026, 0, 1)

/**
 * A clock that moves only when it is told to. `during` replaces the clocks and timers of this process by it, for code that asks them:
 * only for as long as its work takes, which must not wait for anything.
 */
export function createClock() {
  /** Sorted by time. @type {Timer[]} */
  const timers = []
  let nowMs = 0
  let order = 0

  const setTimer = (/** @type {() => void} */ run, /** @type {number} */ afterMs = 0) => {
    const timer = { atMs: nowMs + Math.max(0, afterMs), order: order++, run }
    let place = timers.length
    while (place > 0 && (timers[place - 1]?.atMs ?? 0) > timer.atMs) place--
    timers.splice(place, 0, timer)
    return timer
  }

  const replaced = /** @type {const} */ ([
    [globalThis, 'setTimeout', setTimer],
    [
      globalThis,
      'clearTimeout',
      (/** @type {Timer | undefined} */ timer) => {
        const place = timer === undefined ? -1 : timers.indexOf(timer)
        if (place >= 0) timers.splice(place, 1)
      },
    ],
    [Date, 'now', () => startMs + nowMs],
    [performance, 'now', () => nowMs],
    [process.hrtime, 'bigint', () => BigInt(Math.round(nowMs * 1e6))],
  ])

  return {
    /** Milliseconds since the start. */
    get nowMs() {
      return nowMs
    },
    get wallMs() {
      return startMs + nowMs
    },
    /** Time of the next timer; infinite if there is none. */
    get nextMs() {
      return timers[0]?.atMs ?? Number.POSITIVE_INFINITY
    },
    setTimer,
    moveTo(/** @type {number} */ atMs) {
      nowMs = atMs
    },
    /** Moves to the next timer and runs it. */
    runNext() {
      const timer = timers.shift()
      if (timer === undefined) return
      nowMs = timer.atMs
      timer.run()
    },
    /** @template Result @param {() => Result} work @returns {Result} */
    during(work) {
      const before = replaced.map(([object, name]) => Object.getOwnPropertyDescriptor(object, name))
      for (const [object, name, value] of replaced) {
        Object.defineProperty(object, name, { value, configurable: true, writable: true })
      }
      try {
        return work()
      } finally {
        for (const [index, [object, name]] of replaced.entries()) {
          const descriptor = before[index]
          if (descriptor === undefined) Reflect.deleteProperty(object, name)
          else Object.defineProperty(object, name, descriptor)
        }
      }
    },
  }
}

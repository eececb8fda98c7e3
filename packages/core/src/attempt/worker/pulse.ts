/** Asks another thread for a sign of life, again and again. */
export interface Pulse {
  /** Returns for how long it has owed an answer; 0 while it owes none. */
  silentMs(): number
  /** Notes that it has answered. */
  answered(): void
  stop(): void
}

const everyMs = 1_000

/** `ask` sends a question whose answer is noted by `answered`; no other is sent before that. */
export function createPulse(ask: () => void): Pulse {
  let askedAtMs: number | undefined
  const timer = setInterval(() => {
    if (askedAtMs !== undefined) return
    askedAtMs = performance.now()
    ask()
  }, everyMs)
  return {
    silentMs: () => (askedAtMs === undefined ? 0 : performance.now() - askedAtMs),
    answered() {
      askedAtMs = undefined
    },
    stop: () => clearInterval(timer),
  }
}

/** Periodic heartbeat of another thread. */
export interface Pulse {
  /** Returns how long the current ping has been unanswered; 0 if none is. */
  silentMs(): number
  /** Records an answer. */
  answered(): void
  stop(): void
}

const everyMs = 1_000

/** Starts a heartbeat. `ask` sends a ping, whose answer the caller passes to `answered`. Only one ping is in flight at a time. */
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

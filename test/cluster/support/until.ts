import { setTimeout as pause } from 'node:timers/promises'

/**
 * Polls until nothing is wrong any more, and returns how long that took.
 *
 * @param whatIsWrong sentences; none when all is well
 * @throws with the last sentences when the time is over
 */
export async function untilRight(
  withinMs: number,
  whatIsWrong: () => Promise<readonly string[]> | readonly string[],
): Promise<number> {
  const startMs = performance.now()
  for (;;) {
    const wrong = await whatIsWrong()
    const tookMs = performance.now() - startMs
    if (wrong.length === 0) return tookMs
    if (tookMs > withinMs) throw new Error(`not right after ${withinMs / 1000} s:\n${wrong.join('\n')}`)
    await pause(100)
  }
}

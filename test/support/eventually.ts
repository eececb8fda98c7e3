import { setImmediate } from 'node:timers/promises'

/** Waits until a condition holds, looking again after each turn of the event loop. */
export async function eventually(isMet: () => boolean, what: string, withinMs = 10_000): Promise<void> {
  const untilMs = performance.now() + withinMs
  while (!isMet()) {
    if (performance.now() > untilMs) throw new Error(`waited ${withinMs} ms in vain for this: ${what}`)
    await setImmediate()
  }
}

import { setImmediate } from 'node:timers/promises'
import { expect } from 'vitest'

/**
 * Remembers what keeps this process alive. The function returned waits until nothing more does, and fails where something stays.
 *
 * @example const allClosed = await watchHandles()
 */
export async function watchHandles(): Promise<() => Promise<void>> {
  // A closed handle counts until the event loop has come round to it.
  for (let turns = 0; turns < 3; turns++) await setImmediate()
  const before = openHandles()
  return async () => {
    const untilMs = performance.now() + 2_000
    while (performance.now() < untilMs && added(before, openHandles()).length > 0) await setImmediate()
    expect(added(before, openHandles()), 'handles left open').toEqual([])
  }
}

function openHandles(): readonly string[] {
  // A caller that waits by turns of the event loop has an immediate of its own.
  return process.getActiveResourcesInfo().filter((kind) => kind !== 'Immediate')
}

function added(before: readonly string[], now: readonly string[]): readonly string[] {
  const rest = [...before]
  return now.filter((kind) => {
    const index = rest.indexOf(kind)
    if (index >= 0) rest.splice(index, 1)
    return index < 0
  })
}

import { giveBackMemory } from '@scout/core'

/**
 * How often. A collection of this kind is done several times over and also drops what V8 has compiled and not used since the last one: once a
 * minute it was a fifth of what an agent needs.
 */
const everyMs = 120_000

/**
 * Now and then gives memory back that this thread's heap holds and does not use. V8 does so by itself only in a thread that is idle for
 * long, which those of an agent never are. Needs `--expose-gc`, which the image sets; does nothing otherwise.
 */
export function giveBackHeap(andThen = () => {}): void {
  const { gc } = globalThis
  if (gc === undefined) return
  const collect = async () => {
    await gc({ type: 'major', execution: 'async', flavor: 'last-resort' })
    andThen()
  }
  setInterval(() => void collect(), everyMs).unref()
}

/** The same for the main thread's heap, and then for the whole process. */
export const giveBackSpareMemory = () => giveBackHeap(giveBackMemory)

/** How often. A collection takes some ten milliseconds of a thread. */
const everyMs = 60_000

/**
 * Once a minute gives memory back that this thread's heap holds and does not use. V8 does so by itself only in a thread that is idle for
 * long, which those of an agent never are. Needs `--expose-gc`, which the image sets; does nothing otherwise.
 */
export function giveBackSpareMemory(): void {
  if (globalThis.gc === undefined) return
  const collect = () => void globalThis.gc?.({ type: 'major', execution: 'async', flavor: 'last-resort' })
  setInterval(collect, everyMs).unref()
}

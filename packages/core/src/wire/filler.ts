/*
 * The bytes of bodies that only probe a path: a request's, and the response of a responder to `/bytes`. They repeat one word, so that
 * both sides know each byte.
 */

const word = 'scout '

/** Returns so many bytes of it. */
export function fillerOf(size: number): Buffer {
  return Buffer.alloc(size, word)
}

let pattern: Buffer | undefined

/** Returns the offset of the first byte that is not the filler's; undefined if all are. `offset` is that of the part in the whole. */
export function whereAltered(part: Buffer, offset: number): number | undefined {
  pattern ??= fillerOf((64 << 10) + word.length)
  const step = pattern.length - word.length
  for (let at = 0; at < part.length; at += step) {
    const size = Math.min(step, part.length - at)
    const start = (offset + at) % word.length
    if (pattern.compare(part, at, at + size, start, start + size) === 0) continue
    let index = at
    while (part[index] === pattern[(offset + index) % word.length]) index++
    return offset + index
  }
  return undefined
}

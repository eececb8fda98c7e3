/** @typedef {ReturnType<typeof createRandom>} Random */

/** Creates a source of numbers that follow from the seed (mulberry32). */
export function createRandom(/** @type {number} */ seed) {
  let state = seed | 0
  /** Returns an integer of 32 bits. */
  const bits = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
  /** Returns a number from 0 to 1. */
  const ratio = () => bits() / 2 ** 32
  return {
    bits,
    ratio,
    between: (/** @type {number} */ least, /** @type {number} */ most) => least + (most - least) * ratio(),
    exponential: (/** @type {number} */ mean) => -mean * Math.log(1 - ratio()),
    below: (/** @type {number} */ count) => Math.floor(count * ratio()),
    /** Returns a number with a standard normal distribution (Box and Muller 1958). */
    normal: () => Math.sqrt(-2 * Math.log(1 - ratio())) * Math.cos(2 * Math.PI * ratio()),
  }
}

import { resultOf } from './agent.mjs'

/** @typedef {import('./agent.mjs').Repeated} Repeated */

/** Returns whether the packet engine condenses the next answer: it follows another one, and nothing was lost between them. */
export function isCondensed(/** @type {Repeated} */ { condensed: { most, hasFailed }, lost: { forth, back } }) {
  return most > 1 && !hasFailed && forth + back === 0
}

/** Returns the time of the next answer, if it is not to be drawn: only the last of condensed ones has a time of its own. */
export function timeOfNext(/** @type {Repeated} */ repeated) {
  const { count, most, tookNs } = repeated.condensed
  return isCondensed(repeated) && count + 1 < most ? tookNs : undefined
}

/** Takes an answer. Returns whether it waits for others, instead of being reported. */
export function hold(/** @type {Repeated} */ repeated, /** @type {number} */ startMs, /** @type {number} */ tookNs) {
  const { condensed } = repeated
  condensed.tookNs = tookNs
  if (!isCondensed(repeated)) {
    condensed.hasFailed = false
    return false
  }
  if (condensed.count++ === 0) condensed.firstMs = startMs
  condensed.lastMs = startMs
  return condensed.count < condensed.most
}

/** Takes an answer, as `hold` does, if it is one that waits and has no time of its own. Returns whether it is. */
export function holdNext(/** @type {Repeated} */ repeated, /** @type {number} */ startMs) {
  const { condensed } = repeated
  if (timeOfNext(repeated) === undefined) return false
  if (condensed.count++ === 0) condensed.firstMs = startMs
  condensed.lastMs = startMs
  return true
}

/** Returns how many answers wait, which wait no more, and the time from the first to the last. */
export function takeCount(/** @type {Repeated} */ { condensed }) {
  const { count: attempts, firstMs, lastMs } = condensed
  condensed.count = 0
  return { attempts, spanMs: lastMs - firstMs }
}

/**
 * Returns the results that the packet engine reports before one that is not condensed: that of the answers that wait, if there are any.
 *
 * @param {Repeated} repeated
 * @param {number} wallMs wall clock at which the simulation started
 * @returns {readonly import('@scout/core').TaskResult[]}
 */
export function takeWaiting(repeated, wallMs) {
  const { count, lastMs, tookNs = 0 } = repeated.condensed
  if (count === 0) return []
  const fate = { reason: undefined, tookNs, connectNs: tookNs, retransmits: 0, lost: undefined }
  // Only later answers report what was lost after these.
  const before = { ...repeated, lost: { forth: 0, back: 0 } }
  const result = resultOf(before, fate, { startedAtMs: wallMs + lastMs, condensed: takeCount(repeated) })
  return [{ id: repeated.task.id, startedNs: lastMs * 1e6, result }]
}

/** @typedef {import('@scout/core').Scope} Scope */
/** @typedef {import('@scout/core').Direction} Direction */
/** @typedef {import('./conditions.mjs').Condition} Condition */
/** @typedef {'routed' | 'vxlan'} Network */
/**
 * An incident; any of the causes and directions is right.
 *
 * @typedef {object} Expected
 * @property {readonly string[]} causes
 * @property {Scope} scope
 * @property {readonly Direction[]} directions
 * @property {Partial<Record<Network, readonly string[]>>} [causesOn] causes that are right only on this network, instead of those expected
 */
/**
 * @typedef {object} Injected
 * @property {string} fault of the lab's catalogue
 * @property {Readonly<Record<string, unknown>>} parameters
 * @property {Expected | 'silent'} expects with `waitsFor`, after the work that it names
 */
/**
 * @typedef {object} Expectation
 * @property {string} name unique: the faults, and what distinguishes this form of them
 * @property {readonly Injected[]} faults at work together
 * @property {string} [waitsFor] evidence that no check yields yet, so that silence is right for now
 * @property {number} [ofFloor] how large it is, as a multiple of what detection promises; below 1, silence is right, too
 * @property {number} [attemptsBefore] of each check, from which what is usual becomes known
 * @property {number} [attemptsUntil] of each check, for what shows only in many of them
 * @property {number} [leastNodes] below which its scope means the same as another
 * @property {number} [mostNodes] above which another node has the part that it is about
 * @property {boolean} [isService] whether agents also check the service `echo` by name; by default they check no service
 * @property {boolean} [isExtended] whether agents also have checks that only a configuration adds: packets with a DSCP, and volleys
 * @property {readonly string[]} [goneNodes] nodes whose agents end with it, so that they send no row
 * @property {boolean} [isEarly] whether the faults exist before the agents start
 * @property {Condition} [meanwhile] what else happens to the mesh at that time
 * @property {boolean} [isOfAgents] whether to read the incidents of the agent that speaks, not to explain the rows of all
 */

/** @returns {Scope} */
export function linkOf(/** @type {number} */ from, /** @type {number} */ to) {
  return { kind: 'link', from: `node${from}`, to: `node${to}` }
}

/** @returns {Scope} */
export function nodeOf(/** @type {number} */ number) {
  return { kind: 'node', node: `node${number}` }
}

/** @returns {Scope} */
export function sideOf(/** @type {number} */ number, /** @type {'in' | 'out'} */ side) {
  return { kind: 'node-side', node: `node${number}`, side }
}

/** @type {Scope} */
export const nameServer = { kind: 'name-server', address: '10.96.0.10' }

/** @type {Scope} */
export const zonePair = { kind: 'zone-pair', zones: ['zone-a', 'zone-b'] }

/**
 * Where the sender's host rejects what goes one way, attempts fail on both, and nothing counts which requests arrive: then both are right.
 *
 * @param {readonly string[]} causes
 * @param {Scope} scope
 * @param {...Direction} directions
 * @returns {Expected}
 */
export function named(causes, scope, ...directions) {
  return { causes, scope, directions }
}

/** @returns {Expectation} */
export function hard(
  /** @type {string} */ fault,
  /** @type {Readonly<Record<string, unknown>>} */ parameters,
  /** @type {Expected} */ expects,
) {
  return { name: fault, faults: [{ fault, parameters, expects }] }
}

/** Lost packets are charted: one failure alone is no fact. @returns {Expectation} */
export function lossy(
  /** @type {string} */ fault,
  /** @type {Readonly<Record<string, unknown>>} */ parameters,
  /** @type {Expected} */ expects,
) {
  return { ...hard(fault, parameters, expects), attemptsUntil: 60 }
}

/** Times are charted against those that are usual. @returns {Expectation} */
export function late(
  /** @type {string} */ fault,
  /** @type {Readonly<Record<string, unknown>>} */ parameters,
  /** @type {Expected} */ expects,
) {
  return { ...hard(fault, parameters, expects), attemptsBefore: 60, attemptsUntil: 90 }
}

/** @returns {Expectation} */
export function trap(/** @type {string} */ fault, /** @type {Readonly<Record<string, unknown>>} */ parameters) {
  return { name: fault, faults: [{ fault, parameters, expects: 'silent' }] }
}

/** @returns {Expectation} */
export function waiting(
  /** @type {string} */ fault,
  /** @type {Readonly<Record<string, unknown>>} */ parameters,
  /** @type {{ expects: Expected, waitsFor: string }} */ { expects, waitsFor },
) {
  return { ...hard(fault, parameters, expects), waitsFor }
}

/** Expects each of several faults to be named beside the others. @returns {Expectation} */
export function together(/** @type {readonly Expectation[]} */ ...expectations) {
  const most = (/** @type {'attemptsBefore' | 'attemptsUntil' | 'leastNodes'} */ key) =>
    Math.max(...expectations.map((one) => one[key] ?? 0))
  return {
    name: expectations.map(({ name }) => name).join(' + '),
    faults: expectations.flatMap(({ faults }) => faults),
    attemptsBefore: most('attemptsBefore'),
    attemptsUntil: most('attemptsUntil'),
    leastNodes: most('leastNodes'),
    goneNodes: expectations.flatMap(({ goneNodes = [] }) => goneNodes),
  }
}

/** Returns a fault of half, once and twice the smallest size that detection promises to name. @returns {readonly Expectation[]} */
export function aroundFloor(
  /** @type {number} */ floor,
  /** @type {string} */ unit,
  /** @type {(size: number) => Expectation} */ ofSize,
) {
  return [0.5, 1, 2].map((ofFloor) => {
    const size = Number((ofFloor * floor).toFixed(3))
    const expectation = ofSize(size)
    // Silence is right there, and need not be waited for as long as a name.
    const patience = ofFloor < 1 ? { attemptsUntil: 30 } : {}
    return { ...expectation, ...patience, name: `${expectation.name} of ${size} ${unit}`, ofFloor }
  })
}

/** Returns the incidents that an expectation's faults should give on a network. @returns {readonly Expected[]} */
export function expectedOn(/** @type {Expectation} */ { faults }, /** @type {Network} */ network) {
  return faults.flatMap(({ expects }) =>
    expects === 'silent' ? [] : [{ ...expects, causes: expects.causesOn?.[network] ?? expects.causes }],
  )
}

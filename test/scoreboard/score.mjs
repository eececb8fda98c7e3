/** @typedef {import('./trial.mjs').Outcome} Outcome */
/** @typedef {{ share: number, low: number, high: number, right: number, of: number }} Proportion with its 95 % Wilson interval */
/** @typedef {{ p50: number, p95: number, most: number, count: number }} Spread in seconds */
/** @typedef {{ bucket: string, proportion: Proportion, meanConfidence: number }} Reliability */
/** @typedef {import('./trial.mjs').Answer} Answer */

/** Lower edges of the buckets of confidence. */
const confidenceEdges = [0, 0.5, 0.8, 0.95, 0.99]

/** Returns what trials show together. Those that wait for evidence are counted apart. */
export function scoreOf(/** @type {readonly Outcome[]} */ outcomes) {
  const held = outcomes.filter(({ trial }) => trial.expectation.waitsFor === undefined)
  const waiting = outcomes.filter((outcome) => !held.includes(outcome)).flatMap(({ answers }) => answers)
  const answers = held.flatMap(({ answers }) => answers)
  // Below what detection promises, silence is as good as the right name.
  const toName = held
    .filter(({ trial }) => (trial.expectation.ofFloor ?? 1) >= 1)
    .flatMap(({ answers }) => answers.filter(({ expected }) => expected !== undefined))
  const right = toName.filter(({ verdict }) => verdict === 'right')
  const small = held.filter(({ trial }) => (trial.expectation.ofFloor ?? 1) < 1).flatMap(({ answers }) => answers)
  const named = held.flatMap((outcome) => namesIn(outcome))
  const explained = named.filter(({ cause }) => cause !== 'unexplained')
  return {
    trials: outcomes.length,
    /** Of all incidents with a name. */
    precision: proportion(explained.filter(({ isRight }) => isRight).length, explained.length),
    /** Of all faults that should be named. */
    recall: proportion(right.length, toName.length),
    unexplained: proportion(toName.filter(({ verdict }) => verdict === 'unexplained').length, toName.length),
    /** Right, but with a rival within reach. */
    bothNames: proportion(right.filter(({ named }) => (named?.rivals.length ?? 0) > 0).length, right.length),
    extras: held.reduce((sum, { extras }) => sum + extras.length, 0),
    traps: proportion(
      answers.filter(({ verdict, expected }) => expected === undefined && verdict === 'silent').length,
      answers.filter(({ expected }) => expected === undefined).length,
    ),
    /** Smaller than what detection promises to find. */
    small: {
      faults: small.length,
      silent: small.filter(({ verdict }) => verdict === 'silent').length,
      right: small.filter(({ verdict }) => verdict === 'right').length,
    },
    waiting: {
      trials: waiting.length,
      silent: waiting.filter(({ verdict }) => verdict === 'missed' || verdict === 'silent').length,
      right: waiting.filter(({ verdict }) => verdict === 'right').length,
    },
    first: spread(held.filter(isAllRight).flatMap(({ firstSeconds }) => firstSeconds ?? [])),
    named: spread(right.flatMap(({ rightSeconds }) => rightSeconds ?? [])),
    open: spread(right.flatMap(({ openSeconds }) => openSeconds ?? [])),
    close: spread(held.filter(isAllRight).flatMap(({ closeSeconds }) => closeSeconds ?? [])),
    sinceError: spread(right.flatMap(({ sinceErrorSeconds }) => sinceErrorSeconds ?? [])),
    neverClosed: held
      .filter(({ closeSeconds }) => closeSeconds === undefined)
      .map(({ trial }) => trial.expectation.name),
    confusion: confusionOf(answers),
    reliability: reliabilityOf(explained),
    calibrationError: calibrationErrorOf(explained),
  }
}

/** Returns whether every expected incident was named. */
function isAllRight(/** @type {Outcome} */ { answers }) {
  return answers.every(({ verdict }) => verdict === 'right')
}

/** Returns the incidents at the end of a trial. */
function namesIn(/** @type {Outcome} */ { answers, extras }) {
  return [
    ...answers.flatMap(({ named, verdict }) =>
      named === undefined ? [] : [{ ...named, isRight: verdict === 'right' }],
    ),
    ...extras.map((extra) => ({ ...extra, isRight: false })),
  ]
}

/** @returns {readonly { expected: string, named: string, count: number }[]} */
function confusionOf(/** @type {readonly Answer[]} */ answers) {
  /** @type {Map<string, { expected: string, named: string, count: number }>} */
  const cells = new Map()
  for (const { expected, named, verdict } of answers) {
    const wanted = expected?.causes[0] ?? 'silent'
    const shown = verdict === 'misplaced' ? `${wanted}, elsewhere` : (named?.cause ?? 'silent')
    const cell = cells.get(`${wanted} ${shown}`) ?? { expected: wanted, named: shown, count: 0 }
    cells.set(`${wanted} ${shown}`, { ...cell, count: cell.count + 1 })
  }
  return [...cells.values()].toSorted((a, b) => a.expected.localeCompare(b.expected) || b.count - a.count)
}

/** @typedef {{ confidence: number, isRight: boolean }} Claim */

/** @returns {readonly Reliability[]} */
function reliabilityOf(/** @type {readonly Claim[]} */ claims) {
  return confidenceEdges.flatMap((low, index) => {
    const high = confidenceEdges[index + 1] ?? Infinity
    const within = claims.filter(({ confidence }) => confidence >= low && confidence < high)
    if (within.length === 0) return []
    const bucket = high === Infinity ? `${low} and above` : `${low} to ${high}`
    const meanConfidence = within.reduce((sum, { confidence }) => sum + confidence, 0) / within.length
    return [
      { bucket, proportion: proportion(within.filter(({ isRight }) => isRight).length, within.length), meanConfidence },
    ]
  })
}

/**
 * Returns the expected calibration error: by how much confidence and the share of right names differ in a bucket, on average over all names
 * (Naeini, Cooper and Hauskrecht 2015).
 */
export function calibrationErrorOf(/** @type {readonly Claim[]} */ claims) {
  return reliabilityOf(claims).reduce(
    (sum, { proportion: { share, of }, meanConfidence }) =>
      sum + (of / claims.length) * Math.abs(share - meanConfidence),
    0,
  )
}

/** @returns {Proportion} */
export function proportion(/** @type {number} */ right, /** @type {number} */ of) {
  if (of === 0) return { share: Number.NaN, low: 0, high: 1, right, of }
  // E. B. Wilson, "Probable inference, the law of succession, and statistical inference" (1927).
  const z = 1.96
  const share = right / of
  const centre = (share + z ** 2 / (2 * of)) / (1 + z ** 2 / of)
  const half = (z / (1 + z ** 2 / of)) * Math.sqrt((share * (1 - share)) / of + z ** 2 / (4 * of ** 2))
  return { share, low: Math.max(0, centre - half), high: Math.min(1, centre + half), right, of }
}

/** @returns {Spread} */
function spread(/** @type {readonly number[]} */ values) {
  const ordered = values.toSorted((a, b) => a - b)
  const at = (/** @type {number} */ ratio) => ordered[Math.ceil(ratio * ordered.length) - 1] ?? Number.NaN
  return { p50: at(0.5), p95: at(0.95), most: at(1), count: ordered.length }
}

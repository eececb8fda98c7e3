import { scoreOf } from './score.mjs'
import { placeOf } from './trial.mjs'

/** @typedef {import('./trial.mjs').Outcome} Outcome */
/** @typedef {import('./trial.mjs').Answer} Answer */
/** @typedef {import('./score.mjs').Proportion} Proportion */
/** @typedef {import('./score.mjs').Spread} Spread */

const headings = [
  'fault',
  'network',
  'nodes',
  'verdict',
  'expected',
  'named',
  'confidence',
  'named after',
  'closed after',
  'since',
  'besides',
]

/** Returns a table for a terminal, with a summary. */
export function textOf(/** @type {readonly Outcome[]} */ outcomes) {
  const cells = [headings, ...outcomes.flatMap(linesOf)]
  const widths = headings.map((_, column) => Math.max(...cells.map((line) => line[column]?.length ?? 0)))
  const table = cells.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
  return [...table, '', ...summaryOf(outcomes).map(([what, value]) => `${what}: ${value}`)].join('\n')
}

/**
 * Returns the page of docs.
 *
 * @param {readonly Outcome[]} outcomes
 * @param {readonly import('./expectation.mjs').Expectation[]} expectations all of them, so that the page tells what was not tried
 */
export function markdownOf(outcomes, expectations) {
  const { confusion, reliability } = scoreOf(outcomes)
  const held = outcomes.filter(({ trial }) => trial.expectation.waitsFor === undefined)
  const waiting = outcomes.filter((outcome) => !held.includes(outcome))
  const tried = new Set(outcomes.map(({ trial }) => trial.expectation.name))
  const untried = expectations.filter(({ name }) => !tried.has(name))
  const intervals = [...new Set(outcomes.map(({ trial }) => `${trial.spec.intervalMs / 1_000} s`))].join(' and ')
  return `${[
    '# Scoreboard',
    '',
    `Faults of the lab and the incidents that Scout named with checks every ${intervals}. What each should be named is in`,
    '`test/scoreboard/expectations.mjs`. Times are seconds after the fault began or was healed. Bounds are 95 % Wilson intervals.',
    '',
    ...markdownTable(['measure', 'value'], summaryOf(outcomes)),
    '',
    '## Faults',
    '',
    ...markdownTable(headings, held.flatMap(linesOf)),
    '',
    '## Expected and named causes',
    '',
    ...markdownTable(
      ['expected', 'named', 'trials'],
      confusion.map(({ expected, named, count }) => [expected, named, String(count)]),
    ),
    '',
    '## Reliability',
    '',
    ...markdownTable(
      ['confidence', 'on average', 'right'],
      reliability.map(({ bucket, proportion, meanConfidence }) => [
        bucket,
        percent(meanConfidence),
        proportionText(proportion),
      ]),
    ),
    ...(waiting.length + untried.length === 0
      ? []
      : [
          '',
          '## Faults that wait for evidence or were not tried',
          '',
          ...markdownTable(
            ['fault', 'named now', 'waits for'],
            [
              ...waiting.map((outcome) => ({ ...outcome.trial.expectation, now: nowOf(outcome) })),
              ...untried.map((expectation) => ({ ...expectation, now: 'not tried' })),
            ].map(({ name, now, waitsFor = '' }) => [name, now, waitsFor]),
          ),
        ]),
  ].join('\n')}\n`
}

/** Returns what a person needs to see why a name is not right: one paragraph per trial. */
export function wrongOf(/** @type {readonly Outcome[]} */ outcomes) {
  return outcomes.filter((outcome) => !isExpected(outcome)).map(wrongText)
}

/** Returns whether an outcome is as it should be; one that waits for evidence may be silent, too. */
function isExpected(/** @type {Outcome} */ { answers, extras, trial }) {
  const isWaiting = trial.expectation.waitsFor !== undefined
  return (
    extras.length === 0 &&
    answers.every(({ verdict }) => verdict === 'right' || verdict === 'silent' || (verdict === 'missed' && isWaiting))
  )
}

function wrongText(/** @type {Outcome} */ { trial: { expectation, spec }, answers, extras, earlier, hits }) {
  const wanted = answers.map(({ expected, verdict }) => `${verdict}, wanted ${wantedText(expected)}`).join('; ')
  const shown = [...answers.flatMap(({ named }) => named ?? []), ...extras]
  return [
    `${expectation.name} (${spec.network}, ${spec.nodes} nodes): ${wanted}; acted ${hits} times${expectation.waitsFor === undefined ? '' : `; waits for ${expectation.waitsFor}`}`,
    ...shown.flatMap((one) => [
      `  ${one.cause} at ${placeOf(one.scope)}, ${one.direction} (${one.confidence.toFixed(3)}): ${one.summary}`,
      ...one.evidence.map((clause) => `    ${clause}`),
      ...one.rivals.map(({ cause, confidence }) => `    or ${cause} (${confidence.toFixed(3)})`),
      ...one.ruledOut.map(({ cause, because }) => `    not ${cause}: ${because}`),
    ]),
    ...(earlier.length === 0 ? [] : [`  before that: ${earlier.join(', ')}`]),
  ].join('\n')
}

function wantedText(/** @type {Answer['expected']} */ expected) {
  return expected === undefined
    ? 'silence'
    : `${expected.causes.join(' or ')}, ${placeOf(expected.scope)}, ${expected.directions.join(' or ')}`
}

/** Returns a line for each expected incident; what concerns the whole trial is in the first. @returns {readonly (readonly string[])[]} */
function linesOf(/** @type {Outcome} */ outcome) {
  const { trial, answers, extras, earlier, firstSeconds, closeSeconds } = outcome
  const { expectation, spec } = trial
  const isWaiting = expectation.waitsFor !== undefined
  return answers.map(({ expected, verdict, named, rightSeconds, sinceErrorSeconds }, index) => [
    index === 0 ? expectation.name : '',
    spec.network,
    String(spec.nodes),
    isWaiting ? `waits (${verdict === 'missed' ? 'silent' : verdict})` : verdict,
    wantedText(expected),
    named === undefined
      ? ''
      : verdict === 'right'
        ? named.cause
        : `${named.cause}, ${placeOf(named.scope)}, ${named.direction}`,
    named === undefined ? '' : named.confidence.toFixed(2),
    secondsText(rightSeconds ?? firstSeconds),
    named === undefined ? '' : secondsText(closeSeconds, 'never'),
    secondsText(sinceErrorSeconds),
    [
      ...(index === 0 ? extras.map(({ cause, scope }) => `${cause}, ${placeOf(scope)}`) : []),
      ...(index === 0 ? earlier.map((title) => `before: ${title}`) : []),
      ...(named?.rivals ?? []).map(({ cause }) => `or ${cause}`),
    ].join('; '),
  ])
}

function nowOf(/** @type {Outcome} */ { answers, extras }) {
  const shown = [...answers.flatMap(({ named }) => named ?? []), ...extras]
  if (shown.length === 0) return 'nothing'
  return shown.map(({ cause, scope, direction }) => `${cause}, ${placeOf(scope)}, ${direction}`).join('; ')
}

/** @returns {readonly (readonly [string, string])[]} */
function summaryOf(/** @type {readonly Outcome[]} */ outcomes) {
  const score = scoreOf(outcomes)
  return [
    ['trials', String(score.trials)],
    ['precision', proportionText(score.precision)],
    ['recall', proportionText(score.recall)],
    ['unexplained', proportionText(score.unexplained)],
    ['right, with a rival', proportionText(score.bothNames)],
    ['further incidents', String(score.extras)],
    ['silent where they should be', proportionText(score.traps)],
    [
      'smaller than promised to be found',
      `${score.small.faults}, of which ${score.small.silent} silent, ${score.small.right} right`,
    ],
    [
      'waiting for evidence',
      `${score.waiting.trials}, of which ${score.waiting.silent} silent, ${score.waiting.right} right already`,
    ],
    ['calibration error', Number.isNaN(score.calibrationError) ? 'none' : percent(score.calibrationError)],
    ['first incident', spreadText(score.first)],
    ['right name', spreadText(score.named)],
    ['state open', spreadText(score.open)],
    ['closed', spreadText(score.close)],
    ['error of the onset', spreadText(score.sinceError)],
    ['never closed', score.neverClosed.join(', ') || 'none'],
  ]
}

function proportionText(/** @type {Proportion} */ { share, low, high, right, of }) {
  return of === 0 ? 'none' : `${percent(share)} (${percent(low)} to ${percent(high)}; ${right} of ${of})`
}

function percent(/** @type {number} */ share) {
  return `${Number((share * 100).toFixed(1))} %`
}

function spreadText(/** @type {Spread} */ { p50, p95, most, count }) {
  return count === 0 ? 'none' : `p50 ${p50} s, p95 ${p95} s, at most ${most} s (${count})`
}

function secondsText(/** @type {number | undefined} */ seconds, missing = '') {
  return seconds === undefined ? missing : `${seconds} s`
}

/** @returns {readonly string[]} */
function markdownTable(/** @type {readonly string[]} */ header, /** @type {readonly (readonly string[])[]} */ lines) {
  const row = (/** @type {readonly string[]} */ cells) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [row(header), row(header.map(() => '---')), ...lines.map(row)]
}

import { setTimeout as sleep } from 'node:timers/promises'
import { createRandom } from '../support/random.mjs'
import { expectedOn } from './expectations.mjs'

/** @typedef {import('@scout/core').Incident} Incident */
/** @typedef {import('./expectations.mjs').Expectation} Expectation */
/** @typedef {import('./expectations.mjs').Expected} Expected */
/** @typedef {import('./mesh.mjs').MeshSpec} MeshSpec */
/** @typedef {import('./watch.mjs').Watch} Watch */
/** @typedef {import('./watch.mjs').Moment} Moment */
/** @typedef {{ expectation: Expectation, spec: MeshSpec, seed: number }} Trial one fault in one lab */
/** @typedef {Pick<Incident, 'cause' | 'scope' | 'direction' | 'state' | 'confidence' | 'openedAtMs' | 'summary' | 'evidence' | 'rivals' | 'ruledOut'>} Named */
/**
 * `right`; `misplaced`: the right cause with another scope or direction; `wrong`: another cause; `unexplained`; `missed`: no incident;
 * `silent`: none, as expected; `false alarm`: one where none was expected.
 *
 * @typedef {'right' | 'misplaced' | 'wrong' | 'unexplained' | 'missed' | 'silent' | 'false alarm'} Verdict
 */
/**
 * @typedef {object} Outcome
 * @property {Trial} trial
 * @property {Expected | undefined} expected
 * @property {Verdict} verdict
 * @property {Named | undefined} named the right incident, or otherwise the first of those present at the end
 * @property {readonly Named[]} extras further incidents at the end
 * @property {readonly string[]} earlier other names that were shown before
 * @property {number} [firstSeconds] from the fault to the first incident of any name
 * @property {number} [rightSeconds] to the first right one
 * @property {number} [openSeconds] to its state `open`, if the trial lasted until then
 * @property {number} [sinceErrorSeconds] its onset less that of the fault
 * @property {number} [closeSeconds] from the healing until no incident was left; absent if one was at the end
 * @property {number} hits how often the fault acted
 */

/** Runs one trial in a mesh that is up. @returns {Promise<Outcome>} */
export async function runTrial(
  /** @type {Trial} */ trial,
  /** @type {import('./mesh.mjs').Mesh} */ mesh,
  /** @type {Watch} */ watch,
) {
  const { expectation, spec, seed } = trial
  const limits = limitsOf(expectation, spec.intervalMs)
  await settle(watch, limits.settleMs)
  await sleep(limits.learnMs)
  // A fault may begin at any moment of an interval.
  await sleep(createRandom(seed).ratio() * spec.intervalMs)

  const injectedAtMs = Date.now()
  const injection = await mesh.lab.inject(expectation.fault, expectation.parameters)
  watch.setGone(expectation.goneNodes ?? [])
  const expected = expectedOn(expectation, spec.network)
  const seen = await observe(watch, { expected, isWaiting: expectation.waitsFor !== undefined, injectedAtMs, limits })
  const hits = await injection.hits()

  const healedAtMs = Date.now()
  await injection.heal()
  watch.setGone([])
  const closeSeconds = await untilClosed(watch, healedAtMs, limits.closeMs)
  return { trial, expected, hits, ...seen, ...(closeSeconds === undefined ? {} : { closeSeconds }) }
}

/** Limits in milliseconds, by the interval: the slowest checks run every third one. */
function limitsOf(
  /** @type {Expectation} */ { attemptsBefore = 0, attemptsUntil = 0 },
  /** @type {number} */ intervalMs,
) {
  const allMs = 3 * intervalMs
  const chartedMs = attemptsUntil * intervalMs
  return {
    settleMs: 30_000 + 2 * allMs,
    /** Without the fault, for what is usual to become known. */
    learnMs: attemptsBefore * intervalMs,
    /** For an incident to appear. */
    openMs: Math.min(60_000, 20_000 + 2 * allMs) + chartedMs,
    /** For which it must stay as it is, so that every check has its say. */
    holdMs: allMs,
    /** For nothing to appear. */
    silenceMs: 14_000 + allMs,
    closeMs: 30_000 + 2 * allMs + chartedMs,
  }
}

/** Waits until the mesh is well, and has been for a moment. */
export async function settle(/** @type {Watch} */ watch, /** @type {number} */ limitMs) {
  for (const untilMs = Date.now() + limitMs; ; ) {
    const moment = await watch.next()
    if (moment.isWell && moment.incidents.length === 0) return
    if (Date.now() > untilMs) {
      const incidents = moment.incidents.map(({ summary }) => summary).join('; ')
      throw new Error(
        `the mesh is not well without a fault: ${moment.state}${incidents === '' ? '' : `; ${incidents}`}`,
      )
    }
  }
}

/**
 * @param {Watch} watch
 * @param {{ expected: Expected | undefined, isWaiting: boolean, injectedAtMs: number, limits: ReturnType<typeof limitsOf> }} options
 */
async function observe(watch, { expected, isWaiting, injectedAtMs, limits }) {
  const limitMs = expected === undefined || isWaiting ? limits.silenceMs : limits.openMs
  /** @type {Set<string>} */
  const names = new Set()
  /** @type {number | undefined} */
  let firstMs
  /** @type {number | undefined} */
  let rightMs
  /** @type {number | undefined} */
  let steadyMs
  /** @type {number | undefined} */
  let openMs
  /** @type {Moment} */
  let moment
  for (;;) {
    moment = await watch.next()
    const afterMs = moment.atMs - injectedAtMs
    const right = moment.incidents.find((one) => isRight(one, expected))
    if (moment.incidents.length > 0) firstMs ??= afterMs
    if (right !== undefined) {
      rightMs ??= afterMs
      if (right.state === 'open') openMs ??= afterMs
    }
    const isClean = right !== undefined && moment.incidents.length === 1
    steadyMs = isClean ? (steadyMs ?? afterMs) : undefined
    for (const one of moment.incidents) if (!isRight(one, expected)) names.add(titleOf(one))
    if (steadyMs !== undefined && afterMs - steadyMs >= limits.holdMs) break
    if (afterMs > limitMs && (steadyMs === undefined || afterMs > limitMs + limits.holdMs)) break
  }
  const named = moment.incidents.find((one) => isRight(one, expected)) ?? moment.incidents[0]
  const extras = moment.incidents.filter((one) => one !== named)
  for (const one of moment.incidents) names.delete(titleOf(one))
  return {
    verdict: verdictOf(moment.incidents, expected),
    named: named === undefined ? undefined : shownOf(named),
    extras: extras.map(shownOf),
    earlier: [...names],
    ...(firstMs === undefined ? {} : { firstSeconds: seconds(firstMs) }),
    ...(rightMs === undefined ? {} : { rightSeconds: seconds(rightMs) }),
    ...(openMs === undefined ? {} : { openSeconds: seconds(openMs) }),
    ...(named === undefined ? {} : { sinceErrorSeconds: seconds(named.openedAtMs - injectedAtMs) }),
  }
}

/** @returns {Promise<number | undefined>} */
async function untilClosed(
  /** @type {Watch} */ watch,
  /** @type {number} */ healedAtMs,
  /** @type {number} */ limitMs,
) {
  /** @type {number | undefined} */
  let closedMs
  for (;;) {
    const { atMs, incidents, isWell } = await watch.next()
    closedMs = incidents.length === 0 ? (closedMs ?? atMs) : undefined
    if ((isWell && closedMs !== undefined) || atMs - healedAtMs > limitMs)
      return closedMs === undefined ? undefined : seconds(closedMs - healedAtMs)
  }
}

/** @returns {Verdict} */
function verdictOf(/** @type {readonly Incident[]} */ incidents, /** @type {Expected | undefined} */ expected) {
  if (expected === undefined) return incidents.length === 0 ? 'silent' : 'false alarm'
  if (incidents.length === 0) return 'missed'
  if (incidents.some((one) => isRight(one, expected))) return 'right'
  if (incidents.some(({ cause }) => expected.causes.includes(cause))) return 'misplaced'
  return incidents.every(({ cause }) => cause === 'unexplained') ? 'unexplained' : 'wrong'
}

function isRight(/** @type {Incident} */ { cause, scope, direction }, /** @type {Expected | undefined} */ expected) {
  return (
    expected !== undefined &&
    expected.causes.includes(cause) &&
    expected.directions.includes(direction) &&
    sorted(expected.scope) === sorted(scope)
  )
}

function sorted(/** @type {object} */ scope) {
  return JSON.stringify(Object.entries(scope).toSorted(([a], [b]) => a.localeCompare(b)))
}

/** @returns {string} */
export function titleOf(/** @type {Pick<Incident, 'cause' | 'scope' | 'direction'>} */ { cause, scope, direction }) {
  return `${cause} ${placeOf(scope)} ${direction}`
}

/** @returns {string} */
export function placeOf(/** @type {import('@scout/core').Scope} */ scope) {
  const { kind, ...rest } = scope
  return [kind, ...Object.values(rest).flat()].join(' ')
}

/** @returns {Named} */
function shownOf(/** @type {Incident} */ incident) {
  const { cause, scope, direction, state, confidence, openedAtMs, summary, evidence, rivals, ruledOut } = incident
  return { cause, scope, direction, state, confidence, openedAtMs, summary, evidence, rivals, ruledOut }
}

function seconds(/** @type {number} */ ms) {
  return Math.round(ms / 100) / 10
}

import { setTimeout as sleep } from 'node:timers/promises'
import { createRandom } from '../support/random.mjs'
import { conditions } from './conditions.mjs'
import { expectedOn } from './expectation.mjs'

/** @typedef {import('@scout/core').Incident} Incident */
/** @typedef {import('./expectation.mjs').Expectation} Expectation */
/** @typedef {import('./expectation.mjs').Expected} Expected */
/** @typedef {import('./mesh.mjs').MeshSpec} MeshSpec */
/** @typedef {import('./watch.mjs').Watch} Watch */
/** @typedef {import('./watch.mjs').Moment} Moment */
/** @typedef {{ expectation: Expectation, spec: MeshSpec, seed: number }} Trial in a lab of its own */
/** @typedef {Pick<Incident, 'cause' | 'scope' | 'direction' | 'state' | 'confidence' | 'openedAtMs' | 'summary' | 'evidence' | 'rivals' | 'ruledOut'>} Named */
/**
 * `right`; `misplaced`: the right cause with another scope or direction; `wrong`: another cause; `unexplained`; `missed`: no incident;
 * `silent`: none, as expected; `false alarm`: one where none was expected.
 *
 * @typedef {'right' | 'misplaced' | 'wrong' | 'unexplained' | 'missed' | 'silent' | 'false alarm'} Verdict
 */
/**
 * What became of one expected incident, or of silence.
 *
 * @typedef {object} Answer
 * @property {Expected} [expected]
 * @property {Verdict} verdict
 * @property {Named} [named] the right incident, or otherwise the likest of those present at the end
 * @property {number} [rightSeconds] from the faults to the first right incident
 * @property {number} [openSeconds] to its state `open`, if the trial lasted until then
 * @property {number} [sinceErrorSeconds] its onset less that of the faults; absent where they began before the agents
 */
/**
 * @typedef {object} Outcome
 * @property {Trial} trial
 * @property {readonly Answer[]} answers one for each expected incident, or one for silence
 * @property {readonly Named[]} extras further incidents at the end
 * @property {readonly string[]} earlier other names that were shown before
 * @property {number} [firstSeconds] from the faults to the first incident of any name
 * @property {number} [closeSeconds] from the healing until no incident was left; absent if one was at the end
 * @property {number} hits how often the faults acted
 */

/** Runs one trial in a mesh whose agents have not started. @returns {Promise<Outcome>} */
export async function runTrial(
  /** @type {Trial} */ trial,
  /** @type {import('./mesh.mjs').Mesh} */ mesh,
  /** @type {Watch} */ watch,
) {
  const { expectation, spec, seed } = trial
  const { faults, goneNodes = [], isEarly = false, meanwhile } = expectation
  const limits = limitsOf(expectation, spec.intervalMs)
  const random = createRandom(seed)
  const inject = async () => {
    const injections = []
    for (const { fault, parameters } of faults) injections.push(await mesh.lab.inject(fault, parameters))
    watch.setGone(goneNodes)
    return injections
  }

  const early = isEarly ? await inject() : undefined
  mesh.start()
  if (!isEarly) {
    await settle(watch, limits.settleMs)
    await sleep(limits.learnMs)
    // A fault may begin at any moment of an interval.
    await sleep(random.ratio() * spec.intervalMs)
  }
  const condition = meanwhile === undefined ? undefined : begin(conditions[meanwhile], { mesh, random })
  const injectedAtMs = Date.now()
  const injections = early ?? (await inject())
  const expected = expectedOn(expectation, spec.network)
  const isSilent = expected.length === 0 || expectation.waitsFor !== undefined
  const limitMs = isSilent ? limits.silenceMs : limits.openMs
  const isBusy = () => condition?.isOver === false
  const seen = await observe(watch, { expected, injectedAtMs, isBusy, limits: { ...limits, limitMs } })
  await condition?.ended
  const hits = (await Promise.all(injections.map((injection) => injection.hits()))).reduce((sum, one) => sum + one, 0)

  const healedAtMs = Date.now()
  for (const injection of injections.toReversed()) await injection.heal()
  watch.setGone([])
  const closeSeconds = await untilClosed(watch, healedAtMs, limits.closeMs)
  const answers = seen.answers
    .map((answer) => excused(answer, expectation))
    .map(({ sinceErrorSeconds, ...answer }) =>
      isEarly || sinceErrorSeconds === undefined ? answer : { ...answer, sinceErrorSeconds },
    )
  return { trial, hits, ...seen, answers, ...(closeSeconds === undefined ? {} : { closeSeconds }) }
}

/** Starts a condition that ends by itself. */
function begin(
  /** @type {import('./conditions.mjs').Happening} */ happening,
  /** @type {{ mesh: import('./mesh.mjs').Mesh, random: import('../support/random.mjs').Random }} */ { mesh, random },
) {
  /** @type {{ isOver: boolean, ended: Promise<unknown> }} */
  const state = { isOver: false, ended: Promise.resolve() }
  state.ended = happening(mesh, { random, signal: AbortSignal.timeout(happeningMs) }).finally(() => {
    state.isOver = true
  })
  // The trial may fail before it waits for the end.
  state.ended.catch(() => {})
  return state
}

/** @returns {Answer} */
function excused(/** @type {Answer} */ answer, /** @type {Expectation} */ { ofFloor = 1 }) {
  return answer.verdict === 'missed' && ofFloor < 1 ? { ...answer, verdict: 'silent' } : answer
}

/** Limits in milliseconds, by the interval: the slowest checks run every third one. */
function limitsOf(
  /** @type {Expectation} */ { attemptsBefore = 0, attemptsUntil = 0, isEarly = false, meanwhile },
  /** @type {number} */ intervalMs,
) {
  const allMs = 3 * intervalMs
  const chartedMs = attemptsUntil * intervalMs
  return {
    settleMs: 30_000 + 2 * allMs,
    /** Without the fault, for what is usual to become known. */
    learnMs: attemptsBefore * intervalMs,
    /** For an incident to appear. */
    openMs: Math.min(60_000, 20_000 + 2 * allMs) + chartedMs + (isEarly || meanwhile !== undefined ? startingMs : 0),
    /** For which it must stay as it is, so that every check has its say. */
    holdMs: allMs,
    /** For nothing to appear. */
    silenceMs: 14_000 + allMs,
    closeMs: 30_000 + 2 * allMs + chartedMs,
  }
}

/** How long an agent waits for peers that do not answer before it takes them for ready. */
const startingMs = 35_000
/** No condition of a trial takes longer. */
const happeningMs = 600_000

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
 * @param {object} options
 * @param {readonly Expected[]} options.expected
 * @param {number} options.injectedAtMs
 * @param {() => boolean} options.isBusy whether something else happens to the mesh, so that it is too early to judge
 * @param {{ readonly limitMs: number, readonly holdMs: number }} options.limits
 */
async function observe(watch, { expected, injectedAtMs, isBusy, limits: { limitMs, holdMs } }) {
  /** @type {Set<string>} */
  const names = new Set()
  /** Milliseconds to the first incident, to the first moment of each right one, and until each is open. @type {Map<Expected | 'any', number>} */
  const firstMs = new Map()
  /** @type {Map<Expected, number>} */
  const openMs = new Map()
  /** @type {number | undefined} */
  let steadyMs
  let judgedMs = 0
  /** @type {Moment} */
  let moment
  for (;;) {
    moment = await watch.next()
    const { incidents } = moment
    const afterMs = moment.atMs - injectedAtMs
    if (incidents.length > 0) setFirst(firstMs, 'any', afterMs)
    for (const one of expected) {
      const right = incidents.find((incident) => isRight(incident, one))
      if (right !== undefined) setFirst(firstMs, one, afterMs)
      if (right?.state === 'open') setFirst(openMs, one, afterMs)
    }
    for (const one of incidents) if (!expected.some((wanted) => isRight(one, wanted))) names.add(titleOf(one))
    const isClean =
      expected.length > 0 &&
      expected.length === incidents.length &&
      expected.every((wanted) => incidents.some((one) => isRight(one, wanted)))
    if (isBusy()) {
      judgedMs = afterMs
      continue
    }
    steadyMs = isClean ? (steadyMs ?? afterMs) : undefined
    if (steadyMs !== undefined && afterMs - steadyMs >= holdMs) break
    const lateMs = afterMs - judgedMs - limitMs
    if (lateMs > 0 && (steadyMs === undefined || lateMs > holdMs)) break
  }
  const { answers, extras } = answersOf(moment.incidents, expected)
  for (const one of moment.incidents) names.delete(titleOf(one))
  const first = firstMs.get('any')
  return {
    answers: answers.map(({ expected, verdict, named }) => {
      const [rightMs, opensMs] = expected === undefined ? [] : [firstMs.get(expected), openMs.get(expected)]
      return {
        ...(expected === undefined ? {} : { expected }),
        verdict,
        ...(rightMs === undefined ? {} : { rightSeconds: seconds(rightMs) }),
        ...(opensMs === undefined ? {} : { openSeconds: seconds(opensMs) }),
        ...(named === undefined
          ? {}
          : { named: shownOf(named), sinceErrorSeconds: seconds(named.openedAtMs - injectedAtMs) }),
      }
    }),
    extras: extras.map(shownOf),
    earlier: [...names],
    ...(first === undefined ? {} : { firstSeconds: seconds(first) }),
  }
}

/** @template K */
function setFirst(/** @type {Map<K, number>} */ times, /** @type {K} */ key, /** @type {number} */ ms) {
  if (!times.has(key)) times.set(key, ms)
}

/** Assigns each incident to what was expected, the right ones first. What is left is extra. */
export function answersOf(/** @type {readonly Incident[]} */ incidents, /** @type {readonly Expected[]} */ expected) {
  const left = new Set(incidents)
  /** @type {Map<Expected, Incident>} */
  const assigned = new Map()
  const assign = (/** @type {(one: Incident, wanted: Expected) => boolean} */ isLike) => {
    for (const wanted of expected) {
      const one = assigned.has(wanted) ? undefined : [...left].find((incident) => isLike(incident, wanted))
      if (one === undefined) continue
      assigned.set(wanted, one)
      left.delete(one)
    }
  }
  assign(isRight)
  assign(({ cause }, { causes }) => causes.includes(cause))
  assign(({ scope }, wanted) => sorted(scope) === sorted(wanted.scope))
  assign(() => true)
  if (expected.length === 0) {
    const [named, ...extras] = incidents
    return { answers: [{ expected: undefined, verdict: verdictOf(named, undefined), named }], extras }
  }
  return {
    answers: expected.map((one) => ({
      expected: one,
      verdict: verdictOf(assigned.get(one), one),
      named: assigned.get(one),
    })),
    extras: [...left],
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
function verdictOf(/** @type {Incident | undefined} */ named, /** @type {Expected | undefined} */ expected) {
  if (expected === undefined) return named === undefined ? 'silent' : 'false alarm'
  if (named === undefined) return 'missed'
  if (isRight(named, expected)) return 'right'
  if (expected.causes.includes(named.cause)) return 'misplaced'
  return named.cause === 'unexplained' ? 'unexplained' : 'wrong'
}

function isRight(/** @type {Incident} */ { cause, scope, direction }, /** @type {Expected} */ expected) {
  return (
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

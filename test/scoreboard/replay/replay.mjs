import { setImmediate } from 'node:timers/promises'
import { createRandom } from '../../support/random.mjs'
import { placeOf } from '../trial.mjs'
import { createMesh } from './mesh.mjs'
import { createTrace, traceWords } from './trace.mjs'

/** @typedef {import('./watcher.mjs').Found} Found */
/**
 * @typedef {object} ReplayOptions
 * @property {number} nodes
 * @property {number} years of all meshes together
 * @property {number} trials of each fault
 * @property {number} seed
 * @property {boolean} isThorough
 */
/** @typedef {{ readonly fault: string, readonly trials: number, readonly first: readonly number[], readonly named: readonly number[], readonly directed: readonly number[] }} Delays seconds */
/**
 * @typedef {object} Replayed
 * @property {ReplayOptions} options
 * @property {number} meshHours
 * @property {number} attempts
 * @property {readonly (Found & { readonly mesh: number })[]} incidents of healthy meshes
 * @property {{ readonly loss: number, readonly latency: number }} alarms of links
 * @property {readonly Delays[]} delays
 */

const dayMs = 86_400_000
const hourMs = 3_600_000
const yearMs = 365.25 * dayMs
/** False incidents in ten years that are accepted. */
const mostPerDecade = 1
const sliceMs = 5 * dayMs
const shownEveryMs = 5_000

/** Faults of one link: a share of the packets in one direction, or all in both. */
const faults = [
  { fault: '5 % of packets lost', share: 0.05 },
  { fault: '20 % of packets lost', share: 0.2 },
  { fault: '1 % of packets lost', share: 0.01 },
  { fault: 'all packets lost', share: 1 },
]
const settledMs = 180_000
const patienceMs = 3_600_000

/**
 * Simulates healthy meshes, one for each year, and then faults in others. Returns undefined if the signal aborts it.
 *
 * @param {ReplayOptions} options
 * @param {AbortSignal} signal
 * @returns {Promise<Replayed | undefined>}
 */
export async function replay(options, signal) {
  const { nodes, years, seed, trials, isThorough } = options
  const startMs = performance.now()
  let shownMs = startMs
  const show = (/** @type {string} */ what, /** @type {number} */ doneRatio) => {
    const nowMs = performance.now()
    if (nowMs - shownMs < shownEveryMs) return
    shownMs = nowMs
    const leftMs = ((nowMs - startMs) / doneRatio) * (1 - doneRatio)
    process.stderr.write(`${what}, about ${durationText(leftMs)} left\n`)
  }
  /** @type {(Found & { readonly mesh: number })[]} */
  const incidents = []
  const alarms = { loss: 0, latency: 0 }
  let simulatedMs = 0
  let attempts = 0
  for (let number = 0; simulatedMs < years * yearMs - 1; number++) {
    const mesh = createMesh({
      nodes,
      seed: seedOf(seed, number),
      trace: traceOf(nodes, seedOf(seed, number)),
      isThorough,
    })
    const endMs = Math.min(yearMs, years * yearMs - simulatedMs)
    while (mesh.nowMs < endMs) {
      mesh.run(Math.min(endMs, mesh.nowMs + sliceMs))
      await setImmediate()
      if (signal.aborted) return undefined
      const doneRatio = (simulatedMs + mesh.nowMs) / (years * yearMs)
      const days = Math.round((simulatedMs + mesh.nowMs) / dayMs)
      show(
        `${days} of ${Math.round(years * 365.25)} days: ${incidents.length + mesh.watcher.found.length} incidents`,
        doneRatio,
      )
    }
    incidents.push(...mesh.watcher.found.map((one) => ({ ...one, mesh: number + 1 })))
    alarms.loss += mesh.watcher.alarms.loss
    alarms.latency += mesh.watcher.alarms.latency
    simulatedMs += endMs
    attempts += mesh.attempts
  }
  const meshHours = simulatedMs / hourMs
  const speed = meshHours / ((performance.now() - startMs) / 1_000)
  process.stderr.write(`${Math.round(speed)} mesh-hours per second\n`)
  /** @type {Delays[]} */
  const delays = []
  for (const one of faults) {
    process.stderr.write(`${one.fault}: ${trials} trials\n`)
    const found = []
    for (let trial = 0; trial < trials; trial++) {
      found.push(delayOf(one.share, { ...options, seed: seedOf(seed, 1_000 + trial) }))
      await setImmediate()
      if (signal.aborted) return undefined
    }
    delays.push({
      fault: one.fault,
      trials,
      first: found.flatMap(({ first }) => first ?? []),
      named: found.flatMap(({ named }) => named ?? []),
      directed: found.flatMap(({ directed }) => directed ?? []),
    })
  }
  return { options, meshHours, attempts, incidents, alarms, delays }
}

/** Returns whether every fault became an incident, and next to nothing else. */
export function isRight(/** @type {Replayed} */ { options, incidents, delays }) {
  return (
    incidents.length <= Math.ceil((options.years / 10) * mostPerDecade) &&
    delays.every(({ trials, first }) => first.length === trials)
  )
}

/** Returns the page of docs. */
export function replayPage(/** @type {Replayed} */ replayed) {
  const { years, trials, nodes, seed } = replayed.options
  return `${[
    '# Detection',
    '',
    'How often Scout finds an incident in a healthy network, and how soon it names a fault of one link, by simulation:',
    '',
    '```',
    `npm run scoreboard -- --replay --years ${years} --trials ${trials} --nodes ${nodes} --seed ${seed} --write docs/detection.md`,
    '```',
    '',
    'Plans, attempts, settlement, suspicion, memory, detectors, rows, explanation and incidents are those of the agents, with the default',
    'checks over two IP families. Only packets, discovery and time are simulated. One watcher reads every row at once: in a cluster, add',
    'the seconds that evidence takes to arrive. Packets of a fault are lost in one direction, except where all are. Each mesh lives for a',
    'year at most, and loses one packet in 100,000 at any time. What else happens to it while it is healthy:',
    '',
    ...traceWords,
    '',
    replayText(replayed),
  ].join('\n')}\n`
}

/** Returns the results as Markdown, which reads well in a terminal, too. */
export function replayText(/** @type {Replayed} */ { options, meshHours, attempts, incidents, alarms, delays }) {
  const { nodes, seed } = options
  const linkHours = meshHours * nodes * (nodes - 1)
  const perMillion = (/** @type {number} */ count) =>
    `${count} (${((count / linkHours) * 1e6).toFixed(2)} per million link-hours)`
  return [
    `Healthy meshes of ${nodes} nodes (seed ${seed}):`,
    '',
    '| measure | value |',
    '| --- | --- |',
    `| mesh-years | ${(meshHours / (yearMs / hourMs)).toFixed(3)} |`,
    `| attempts | ${attempts} |`,
    `| incidents | ${incidents.length} |`,
    `| alarms of loss on a link | ${perMillion(alarms.loss)} |`,
    `| alarms of latency on a link | ${perMillion(alarms.latency)} |`,
    '',
    ...incidents.flatMap(textOfFound),
    'Seconds until a fault of one link is an incident, until one has the right cause and place, and until it has the right direction, too:',
    '',
    '| fault | trials | incident, p50 | p95 | never | named, p50 | p95 | never | directed, p50 | p95 | never |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    ...delays.map(({ fault, trials, first, named, directed }) => {
      const cells = [fault, trials, ...[first, named, directed].flatMap((values) => spread(values, trials))]
      return `| ${cells.join(' | ')} |`
    }),
  ].join('\n')
}

/** @returns {readonly string[]} */
function textOfFound(/** @type {Found & { readonly mesh: number }} */ { incident, atMs, happenings, mesh }) {
  return [
    `mesh ${mesh}, day ${(atMs / dayMs).toFixed(3)}: ${incident.cause} at ${placeOf(incident.scope)}: ${incident.summary}`,
    ...(happenings.length === 0 ? ['nothing happened before'] : happenings).map((text) => `  ${text}`),
    '',
  ]
}

/** Returns the seconds from the onset of a fault to its incident. */
function delayOf(/** @type {number} */ share, /** @type {ReplayOptions} */ { nodes, seed, isThorough }) {
  const mesh = createMesh({ nodes, seed, trace: undefined, isThorough })
  const fromMs = settledMs + createRandom(seed).between(0, 30_000)
  const shares = new Float64Array(nodes * nodes)
  shares[mesh.network.pathOf(0, 1)] = share
  if (share === 1) shares[mesh.network.pathOf(1, 0)] = share
  mesh.run(settledMs)
  mesh.network.begin({ kind: 'loss', fromMs, toMs: Number.POSITIVE_INFINITY, shares, text: '' })
  const isNamed = () => mesh.watcher.open.some((incident) => isAbout(incident, share))
  const isDirected = () => mesh.watcher.open.some((incident) => isAbout(incident, share) && isRightWay(incident, share))
  mesh.run(fromMs + patienceMs, isNamed)
  const namedAtMs = isNamed() ? mesh.nowMs : undefined
  mesh.run(fromMs + patienceMs, isDirected)
  const [first] = mesh.watcher.found
  const secondsAt = (/** @type {number} */ atMs) => Math.round((atMs - fromMs) / 1_000)
  return {
    first: first === undefined ? undefined : secondsAt(first.atMs),
    named: namedAtMs === undefined ? undefined : secondsAt(namedAtMs),
    directed: isDirected() ? secondsAt(mesh.nowMs) : undefined,
  }
}

/** Returns whether an incident says what is wrong with the link. */
function isAbout(/** @type {import('@scout/core').Incident} */ { cause, scope }, /** @type {number} */ share) {
  if (scope.kind !== 'link' || ![scope.from, scope.to].every((node) => node === 'node1' || node === 'node2'))
    return false
  return share === 1 ? cause !== 'unexplained' : cause === 'packet-loss'
}

/** Returns whether an incident says on which way packets are lost: from the first node to the second, or, if all are, on both. */
function isRightWay(/** @type {import('@scout/core').Incident} */ { scope, direction }, /** @type {number} */ share) {
  if (share === 1) return direction === 'both'
  return scope.kind === 'link' && scope.from === 'node1' && direction === 'forward'
}

function traceOf(/** @type {number} */ nodes, /** @type {number} */ seed) {
  return createTrace({ nodes, seed: seed + 500_000 })
}

function seedOf(/** @type {number} */ seed, /** @type {number} */ number) {
  return seed * 1_000_003 + number
}

/** Returns median, 95th percentile, and how many trials have no value. @returns {readonly (number | string)[]} */
function spread(/** @type {readonly number[]} */ values, /** @type {number} */ trials) {
  const sorted = values.toSorted((a, b) => a - b)
  const quantiles = [0.5, 0.95].map(
    (ratio) => sorted[Math.min(sorted.length - 1, Math.floor(ratio * sorted.length))] ?? '',
  )
  return [...quantiles, trials - values.length]
}

function durationText(/** @type {number} */ ms) {
  return ms < 90_000 ? `${Math.round(ms / 1_000)} s` : `${Math.round(ms / 60_000)} min`
}

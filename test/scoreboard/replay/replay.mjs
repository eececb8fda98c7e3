import { placeOf } from '../trial.mjs'
import { simulate } from './simulate.mjs'
import { traceWords } from './trace.mjs'

/** @typedef {import('./simulation.mjs').Fault} Fault */
/** @typedef {import('./simulation.mjs').Healthy} Healthy */
/** @typedef {import('./simulation.mjs').Delay} Delay */
/** @typedef {import('./simulation.mjs').Lived} Lived */
/** @typedef {import('./simulation.mjs').Message} Message */
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
const shownEveryMs = 5_000

/** Faults of one link: a share of the packets in one direction, or all in both. */
const faults = [
  { fault: '5 % of packets lost', share: 0.05 },
  { fault: '20 % of packets lost', share: 0.2 },
  { fault: '1 % of packets lost', share: 0.01 },
  { fault: 'all packets lost', share: 1 },
]
/**
 * Simulates healthy meshes, one for each year, and then faults in others, on every core. Returns undefined if the signal aborts it.
 *
 * @param {ReplayOptions} options
 * @param {AbortSignal} signal
 * @returns {Promise<Replayed | undefined>}
 */
export async function replay(options, signal) {
  const { nodes, years, seed, trials, isThorough } = options
  const common = { nodes, isThorough }
  /** @type {readonly Healthy[]} */
  const healthy = Array.from({ length: Math.ceil(years) }, (_, number) => ({
    kind: 'healthy',
    ...common,
    seed: seedOf(seed, number),
    lengthMs: Math.min(1, years - number) * yearMs,
  }))
  /** @type {readonly Fault[]} */
  const faulty = faults.flatMap(({ share }) =>
    Array.from({ length: trials }, (_, trial) => ({
      kind: 'fault',
      ...common,
      seed: seedOf(seed, 1_000 + trial),
      share,
    })),
  )
  /** @type {Lived[]} */
  const lives = []
  /** @type {Delay[]} */
  const delays = []
  const show = progressShower(years)
  const onMessage = (/** @type {Message} */ message) => {
    if ('progress' in message) show(message.progress)
    else if ('lived' in message) lives[message.index] = message.lived
    else delays[message.index - healthy.length] = message.delay
  }
  await simulate([...healthy, ...faulty], { signal, onMessage })
  if (signal.aborted) return undefined
  return {
    options,
    meshHours: (years * yearMs) / hourMs,
    attempts: sumOf(lives.map(({ attempts }) => attempts)),
    incidents: lives.flatMap(({ found }, index) => found.map((one) => ({ ...one, mesh: index + 1 }))),
    alarms: {
      loss: sumOf(lives.map(({ alarms }) => alarms.loss)),
      latency: sumOf(lives.map(({ alarms }) => alarms.latency)),
    },
    delays: faults.map(({ fault }, index) => {
      const found = delays.slice(index * trials, (index + 1) * trials)
      return {
        fault,
        trials,
        first: found.flatMap(({ first }) => first ?? []),
        named: found.flatMap(({ named }) => named ?? []),
        directed: found.flatMap(({ directed }) => directed ?? []),
      }
    }),
  }
}

/** Returns a function that says from time to time how far the healthy meshes are, which take nearly all of the time. */
function progressShower(/** @type {number} */ years) {
  const startMs = performance.now()
  let shownMs = startMs
  let simulatedMs = 0
  let incidents = 0
  return (/** @type {import('./simulation.mjs').Progress} */ progress) => {
    simulatedMs += progress.simulatedMs
    incidents += progress.incidents
    const nowMs = performance.now()
    if (nowMs - shownMs < shownEveryMs) return
    shownMs = nowMs
    const days = `${Math.round(simulatedMs / dayMs)} of ${Math.round(years * 365.25)} days`
    const leftMs = ((nowMs - startMs) / simulatedMs) * (years * yearMs - simulatedMs)
    process.stderr.write(`${days}: ${incidents} incidents, about ${durationText(leftMs)} left\n`)
  }
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

function sumOf(/** @type {readonly number[]} */ values) {
  return values.reduce((sum, value) => sum + value, 0)
}

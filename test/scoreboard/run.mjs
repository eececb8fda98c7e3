import { findFault, specFor } from '@scout/lab'
import { createRandom } from '../support/random.mjs'
import { openMesh } from './mesh.mjs'
import { runTrial, settle, titleOf } from './trial.mjs'
import { watchMesh } from './watch.mjs'

/** @typedef {import('./trial.mjs').Trial} Trial */
/** @typedef {import('./trial.mjs').Outcome} Outcome */
/** @typedef {import('./mesh.mjs').MeshSpec} MeshSpec */
/** @typedef {{ mesh: import('./mesh.mjs').Mesh, watch: import('./watch.mjs').Watch }} Watched */
/**
 * @typedef {object} Choice
 * @property {readonly import('./expectation.mjs').Expectation[]} expectations
 * @property {readonly ('routed' | 'vxlan')[]} networks
 * @property {number} nodes
 * @property {number} intervalMs
 * @property {number} repeats
 * @property {number} firstSeed
 */

/** @returns {readonly Trial[]} */
export function planned(/** @type {Choice} */ { expectations, networks, nodes, intervalMs, repeats, firstSeed }) {
  return expectations.flatMap((expectation) => {
    const specs = expectation.faults.map(({ fault }) => specFor(findFault(fault)))
    const network = specs.find(({ network }) => network !== undefined)?.network
    const { leastNodes = 1, mostNodes = Infinity } = expectation
    return (network === undefined ? networks : [network]).flatMap((network) =>
      Array.from({ length: repeats }, (_, repeat) => ({
        expectation,
        spec: {
          network,
          nodes: Math.min(Math.max(nodes, leastNodes), mostNodes),
          dnsReplicas: Math.max(...specs.map(({ dnsReplicas = 1 }) => Number(dnsReplicas))),
          isService: expectation.isService ?? false,
          isExtended: expectation.isExtended ?? false,
          intervalMs,
        },
        seed: firstSeed + repeat,
      })),
    )
  })
}

/**
 * Runs trials in several labs at a time, and reports progress on stderr. When the signal aborts, it returns the outcomes so far.
 *
 * @param {readonly Trial[]} trials
 * @param {{ labs: number, signal: AbortSignal }} options
 * @returns {Promise<readonly Outcome[]>}
 */
export async function runAll(trials, { labs, signal }) {
  // All labs take their trials from it.
  const left = trials.values()
  /** @type {Map<Trial, Outcome>} */
  const outcomes = new Map()
  let ended = 0
  let totalMs = 0
  const report = (/** @type {{ trial: Trial, startMs: number, text: string }} */ { trial, startMs, text }) => {
    const { expectation, spec } = trial
    ended++
    totalMs += performance.now() - startMs
    const leftMs = ((totalMs / ended) * (trials.length - ended)) / labs
    const leftText = ended < trials.length ? `, about ${durationText(leftMs)} left` : ''
    process.stderr.write(`${ended}/${trials.length} ${expectation.name} (${spec.network}): ${text}${leftText}\n`)
  }
  await Promise.all(Array.from({ length: Math.min(labs, trials.length) }, work))
  return trials.flatMap((trial) => outcomes.get(trial) ?? [])

  async function work() {
    for (const trial of left) {
      if (signal.aborted) return
      const startMs = performance.now()
      /** @type {Watched | undefined} */
      let watched
      try {
        // Agents remember the failures of an earlier trial, and two outages of one link look like loss.
        watched = await open(trial.spec, { signal, isOfAgents: trial.expectation.isOfAgents ?? false })
        const outcome = await runTrial(trial, watched.mesh, watched.watch)
        outcomes.set(trial, outcome)
        report({ trial, startMs, text: outcome.answers.map(({ verdict }) => verdict).join(', ') })
      } catch (error) {
        if (signal.aborted) return
        report({ trial, startMs, text: `could not run: ${error instanceof Error ? error.message : String(error)}` })
      } finally {
        await watched?.mesh.close()
      }
    }
  }
}

/**
 * Watches healthy meshes, one after the other. Returns a line for each incident.
 *
 * @param {object} choice
 * @param {readonly (readonly [string, import('./conditions.mjs').Happening])[]} choice.happenings what happens to each mesh, with its name
 * @param {readonly ('routed' | 'vxlan')[]} choice.networks
 * @param {number} choice.nodes
 * @param {number} choice.intervalMs
 * @param {number} choice.minutes for each of them
 * @param {number} choice.seed
 * @param {AbortSignal} signal
 */
export async function runHealthy({ happenings, networks, nodes, intervalMs, minutes, seed }, signal) {
  /** @type {Set<string>} */
  const incidents = new Set()
  for (const network of networks) {
    for (const [name, happening] of happenings) {
      const title = `${name} (${network})`
      const spec = { network, nodes, dnsReplicas: 1, isService: false, isExtended: false, intervalMs }
      const { mesh, watch } = await open(spec, { signal, isOfAgents: false })
      const ending = new AbortController()
      try {
        mesh.start()
        await settle(watch, 30_000 + 6 * intervalMs)
        const course = { random: createRandom(seed), signal: AbortSignal.any([signal, ending.signal]) }
        const ended = happening(mesh, course)
        const watching = watchFor(watch, minutes * 60_000, (text) => incidents.add(`${title}: ${text}`))
        // A happening that ends early has no say in when the watch ends, one that fails has.
        await Promise.race([watching, ended.then(() => watching)])
        ending.abort()
        await ended
        process.stderr.write(`${title}: ${incidents.size} incidents so far\n`)
      } finally {
        ending.abort()
        await mesh.close()
      }
    }
  }
  return [...incidents]
}

/** Calls back with each incident of a time. */
async function watchFor(
  /** @type {import('./watch.mjs').Watch} */ watch,
  /** @type {number} */ ms,
  /** @type {(text: string) => void} */ onIncident,
) {
  for (const untilMs = Date.now() + ms; Date.now() < untilMs; ) {
    const moment = await watch.next()
    for (const one of moment.incidents) onIncident(`${titleOf(one)}: ${one.summary}`)
  }
}

/** @returns {Promise<Watched>} */
async function open(/** @type {MeshSpec} */ spec, /** @type {{ signal: AbortSignal, isOfAgents: boolean }} */ options) {
  const mesh = await openMesh(spec)
  return { mesh, watch: watchMesh(mesh, options) }
}

function durationText(/** @type {number} */ ms) {
  return ms < 90_000 ? `${Math.round(ms / 1_000)} s` : `${Math.round(ms / 60_000)} min`
}

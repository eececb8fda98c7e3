import { findFault, specFor } from '@scout/lab'
import { openMesh } from './mesh.mjs'
import { runTrial, settle, titleOf } from './trial.mjs'
import { watchMesh } from './watch.mjs'

/** @typedef {import('./trial.mjs').Trial} Trial */
/** @typedef {import('./trial.mjs').Outcome} Outcome */
/** @typedef {import('./mesh.mjs').MeshSpec} MeshSpec */
/** @typedef {{ mesh: import('./mesh.mjs').Mesh, watch: import('./watch.mjs').Watch }} Watched */
/**
 * @typedef {object} Choice
 * @property {readonly import('./expectations.mjs').Expectation[]} expectations
 * @property {readonly ('routed' | 'vxlan')[]} networks
 * @property {number} nodes
 * @property {number} intervalMs
 * @property {number} repeats
 * @property {number} firstSeed
 */

/** @returns {readonly Trial[]} */
export function planned(/** @type {Choice} */ { expectations, networks, nodes, intervalMs, repeats, firstSeed }) {
  return expectations.flatMap((expectation) => {
    const { network, dnsReplicas = 1 } = specFor(findFault(expectation.fault))
    return (network === undefined ? networks : [network]).flatMap((network) =>
      Array.from({ length: repeats }, (_, repeat) => ({
        expectation,
        spec: {
          network,
          nodes: Math.max(nodes, expectation.leastNodes ?? 1),
          dnsReplicas: Number(dnsReplicas),
          isService: expectation.isService ?? false,
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
        watched = await open(trial.spec, signal)
        const outcome = await runTrial(trial, watched.mesh, watched.watch)
        outcomes.set(trial, outcome)
        report({ trial, startMs, text: outcome.verdict })
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
 * @param {{ networks: readonly ('routed' | 'vxlan')[], nodes: number, intervalMs: number, minutes: number }} choice
 * @param {AbortSignal} signal
 */
export async function runHealthy({ networks, nodes, intervalMs, minutes }, signal) {
  /** @type {Set<string>} */
  const incidents = new Set()
  for (const network of networks) {
    const { mesh, watch } = await open({ network, nodes, dnsReplicas: 1, isService: false, intervalMs }, signal)
    try {
      await settle(watch, 30_000 + 6 * intervalMs)
      const untilMs = Date.now() + minutes * 60_000
      for (let shownMs = 0; Date.now() < untilMs; ) {
        const moment = await watch.next()
        for (const one of moment.incidents) incidents.add(`${network}: ${titleOf(one)}: ${one.summary}`)
        if (Date.now() - shownMs < 60_000) continue
        shownMs = Date.now()
        process.stderr.write(`${network}: ${incidents.size} incidents, ${durationText(untilMs - shownMs)} left\n`)
      }
    } finally {
      await mesh.close()
    }
  }
  return [...incidents]
}

/** @returns {Promise<Watched>} */
async function open(/** @type {MeshSpec} */ spec, /** @type {AbortSignal} */ signal) {
  const mesh = await openMesh(spec)
  return { mesh, watch: watchMesh(mesh, signal) }
}

function durationText(/** @type {number} */ ms) {
  return ms < 90_000 ? `${Math.round(ms / 1_000)} s` : `${Math.round(ms / 60_000)} min`
}

import { setImmediate } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { createRandom } from '../../support/random.mjs'
import { createMesh } from './mesh.mjs'
import { createTrace } from './trace.mjs'

/*
 * A worker thread that runs its part of the simulations of a replay in order, and posts what it finds.
 */

/**
 * A mesh in which all is well.
 * @typedef {{ readonly kind: 'healthy', readonly nodes: number, readonly seed: number, readonly isThorough: boolean, readonly lengthMs: number }} Healthy
 */
/**
 * A mesh with a link that loses a share of its packets.
 * @typedef {{ readonly kind: 'fault', readonly nodes: number, readonly seed: number, readonly isThorough: boolean, readonly share: number }} Fault
 */
/** @typedef {{ readonly simulatedMs: number, readonly incidents: number }} Progress since the last one */
/** @typedef {Awaited<ReturnType<typeof runHealthy>>} Lived */
/** @typedef {ReturnType<typeof delaysOf>} Delay */
/** @typedef {{ readonly progress: Progress } | { readonly index: number, readonly lived: Lived } | { readonly index: number, readonly delay: Delay }} Message */

const sliceMs = 5 * 86_400_000
const settledMs = 180_000
const patienceMs = 3_600_000

/** @type {readonly { readonly index: number, readonly simulation: Healthy | Fault }[]} */
const part = workerData
/** @param {Message} message */
const post = (message) => parentPort?.postMessage(message)

for (const { index, simulation } of part) {
  if (simulation.kind === 'healthy') post({ index, lived: await runHealthy(simulation) })
  else post({ index, delay: delaysOf(simulation) })
}

async function runHealthy(/** @type {Healthy} */ { nodes, seed, isThorough, lengthMs }) {
  const mesh = createMesh({ nodes, seed, trace: createTrace({ nodes, seed: seed + 500_000 }), isThorough })
  let incidents = 0
  while (mesh.nowMs < lengthMs) {
    const fromMs = mesh.nowMs
    mesh.run(Math.min(lengthMs, fromMs + sliceMs))
    const { found } = mesh.watcher
    post({ progress: { simulatedMs: mesh.nowMs - fromMs, incidents: found.length - incidents } })
    incidents = found.length
    // Memory that something held weakly during this turn of the event loop is freed only in another.
    await setImmediate()
  }
  return { found: mesh.watcher.found, alarms: mesh.watcher.alarms, attempts: mesh.attempts }
}

/** Returns the seconds from the onset of a fault to its incident. */
function delaysOf(/** @type {Fault} */ { nodes, seed, isThorough, share }) {
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

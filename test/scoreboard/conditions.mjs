import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

/** @typedef {import('./mesh.mjs').Mesh} Mesh */
/** @typedef {{ random: import('../support/random.mjs').Random, signal: AbortSignal }} Course */
/** @typedef {(mesh: Mesh, course: Course) => Promise<unknown>} Happening ends by itself or when the signal aborts, and leaves nothing behind */
/** @typedef {keyof typeof conditions} Condition */

const meanBetweenBurstsMs = 30_000
/** Between the restarts of two agents. */
const pauseMs = 15_000

/** What happens to meshes in which nothing is broken. */
export const conditions = {
  quiet: (/** @type {Mesh} */ _, /** @type {Course} */ course) => rest(course, Infinity),
  bursts,
  'busy-core': (/** @type {Mesh} */ _, /** @type {Course} */ course) => burn(course, 1),
  'busy-cores': (/** @type {Mesh} */ _, /** @type {Course} */ course) => burn(course, availableParallelism()),
  'throttled-agent': throttle,
  churn,
  rollout,
}

/** Loses packets in bursts, as docs/detection.md describes them, on one link after the other (Gilbert 1960). */
async function bursts(/** @type {Mesh} */ { lab }, /** @type {Course} */ course) {
  const { random } = course
  const { nodes } = lab.topology
  while (await rest(course, random.exponential(meanBetweenBurstsMs))) {
    const from = 1 + random.below(nodes.length)
    const to = 1 + ((from + random.below(nodes.length - 1)) % nodes.length)
    const injection = await lab.inject('random-loss', {
      from,
      to,
      percentage: random.between(30, 100),
      direction: random.ratio() < 0.5 ? 'forward' : 'both',
    })
    await sleep(random.ratio() < 0.2 ? random.between(300, 5_000) : random.exponential(300))
    await injection.heal()
  }
}

async function burn(/** @type {Course} */ course, /** @type {number} */ cores) {
  const processes = Array.from({ length: cores }, () => spawn(process.execPath, ['--eval', 'for (;;);']))
  try {
    await rest(course, Infinity)
  } finally {
    for (const one of processes) one.kill('SIGKILL')
  }
}

/** Stops an agent for three quarters of the time, as a CPU quota does. */
async function throttle(/** @type {Mesh} */ { lab }, /** @type {Course} */ course) {
  const injection = await lab.inject('cpu-starved', { pod: 'pod1' })
  await rest(course, Infinity)
  await injection.heal()
}

/** Restarts one agent after the other, at random. */
async function churn(/** @type {Mesh} */ { members, restart }, /** @type {Course} */ course) {
  while (await rest(course, course.random.exponential(pauseMs))) {
    const member = members[course.random.below(members.length)]
    if (member !== undefined) await restart(member.node)
  }
}

/** Restarts every agent once, one after the other. */
async function rollout(/** @type {Mesh} */ { members, restart }, /** @type {Course} */ course) {
  for (const { node } of members) {
    await restart(node)
    if (!(await rest(course, pauseMs))) return
  }
}

/** Returns whether it slept to the end. */
async function rest(/** @type {Course} */ { signal }, /** @type {number} */ ms) {
  try {
    await sleep(Math.min(ms, 2 ** 31 - 1), undefined, { signal })
    return true
  } catch (error) {
    if (signal.aborted) return false
    throw error
  }
}

import { createRandom } from '../../support/random.mjs'
import { addressesOf } from './agent.mjs'

/** @typedef {import('./agent.mjs').Agent} Agent */
/** @typedef {import('./network.mjs').Pod} Pod */

const port = 8_081
/** How long an agent that ends answers after its goodbye. */
const graceMs = 2_000
/** Until discovery reports a change: less than failures are held back for. */
const reportMs = { least: 300, most: 4_500 }

/**
 * Starts, restarts and replaces the agents of a mesh, as discovery reports it to the others.
 *
 * @param {object} options
 * @param {ReturnType<typeof import('./clock.mjs').createClock>} options.clock
 * @param {number} options.seed
 * @param {readonly (Agent | undefined)[]} options.agents by node
 * @param {(node: number) => Pod} options.startPod
 * @param {(node: number) => Agent} options.startAgent
 * @param {(node: number) => void} options.endAgent
 * @param {() => void} options.beforeReport called before the agents learn of a change
 */
export function createChurn({ clock, seed, agents, startPod, startAgent, endAgent, beforeReport }) {
  const random = createRandom(seed + 1)
  /** The pod of each node. @type {Pod[]} */
  const pods = []
  /** Nodes whose agent ends or starts. @type {Set<number>} */
  const changing = new Set()

  const peerOf = (/** @type {number} */ node, /** @type {'starting' | 'ready' | 'leaving'} */ state) => {
    const address = pods[node]?.address ?? 0
    return {
      id: `pod-${address}`,
      name: `scout-${address}`,
      node: `node${node + 1}`,
      addresses: addressesOf(address),
      port,
      state,
      stateSinceMs: Date.now(),
    }
  }

  const others = (/** @type {number} */ node) =>
    agents.filter((agent) => agent !== undefined && agent.node !== node).filter((agent) => agent !== undefined)

  /** Has the other agents learn of the state of a node's agent; undefined if it is gone. */
  const report = (/** @type {number} */ node, /** @type {'starting' | 'ready' | 'leaving' | undefined} */ state) => {
    const peer = peerOf(node, state ?? 'leaving')
    beforeReport()
    for (const { peers, disturb, plan } of others(node)) {
      if (state === undefined) peers.delete(peer.id)
      else peers.set(peer.id, peer)
      disturb(peer.id)
      plan()
    }
  }

  const reportsAfter = () => random.between(reportMs.least, reportMs.most)

  /** Starts an agent, which knows its peers at once. */
  const join = (/** @type {number} */ node) => {
    const { peers, plan } = startAgent(node)
    for (const [other] of agents.entries()) {
      if (other === node || pods[other] === undefined) continue
      const peer = peerOf(other, changing.has(other) ? 'starting' : 'ready')
      peers.set(peer.id, peer)
    }
    plan()
  }

  /** Starts an agent again, and ends the change. */
  const comeBack = (/** @type {number} */ node) => {
    join(node)
    clock.setTimer(() => {
      changing.delete(node)
      report(node, 'ready')
    }, reportsAfter())
  }

  /** The process ends without a goodbye, and is started again in the same pod. */
  const crash = (/** @type {number} */ node) => {
    const pod = pods[node]
    if (pod === undefined) return
    pod.isAnswering = false
    endAgent(node)
    const noticedMs = reportsAfter()
    clock.setTimer(() => report(node, 'starting'), noticedMs)
    clock.setTimer(() => {
      pod.isAnswering = true
      comeBack(node)
    }, noticedMs + random.between(1_000, 30_000))
  }

  const replace = (/** @type {number} */ node) => {
    pods[node] = startPod(node)
    report(node, 'starting')
    comeBack(node)
  }

  /** The pod goes without a goodbye, and another one takes its place. */
  const restart = (/** @type {number} */ node) => {
    const pod = pods[node]
    if (pod === undefined) return
    pod.isAnswering = false
    pod.hasNetwork = false
    endAgent(node)
    const noticedMs = reportsAfter()
    clock.setTimer(() => report(node, undefined), noticedMs)
    clock.setTimer(() => replace(node), noticedMs + random.between(1_000, 40_000))
  }

  /** The pod is replaced as a rollout does it: its agent says goodbye first. */
  const roll = (/** @type {number} */ node) => {
    const pod = pods[node]
    if (pod === undefined) return
    report(node, 'leaving')
    clock.setTimer(() => {
      endAgent(node)
      pod.isAnswering = false
      pod.hasNetwork = false
    }, graceMs)
    const goneMs = graceMs + reportsAfter()
    clock.setTimer(() => report(node, undefined), goneMs)
    clock.setTimer(() => replace(node), goneMs + random.between(1_000, 10_000))
  }

  const change = (/** @type {number} */ node, /** @type {(node: number) => void} */ how) => {
    if (changing.has(node)) return
    changing.add(node)
    how(node)
  }

  return {
    /** Whether an agent ends or starts. */
    get isChanging() {
      return changing.size > 0
    },
    /** Starts an agent on each node. */
    start() {
      for (const [node] of agents.entries()) pods[node] = startPod(node)
      for (const [node] of agents.entries()) join(node)
    },
    begin(/** @type {import('./trace.mjs').Churn} */ { kind, fromMs, node }) {
      const waitMs = fromMs - clock.nowMs
      if (kind === 'crash') clock.setTimer(() => change(node, crash), waitMs)
      else if (kind === 'restart') clock.setTimer(() => change(node, restart), waitMs)
      else {
        for (const [place] of agents.entries())
          clock.setTimer(() => change((node + place) % agents.length, roll), waitMs + place * 60_000)
      }
    },
  }
}

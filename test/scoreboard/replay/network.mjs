import { createRandom } from '../../support/random.mjs'

/**
 * Packets between two nodes are lost for a while.
 * @typedef {object} Loss
 * @property {'loss'} kind
 * @property {number} fromMs
 * @property {number} toMs
 * @property {Float64Array} shares lost share of the packets of each path, see `pathOf`
 * @property {string} text
 */
/**
 * A node is busy: what its processes send and receive waits.
 * @typedef {object} Busy
 * @property {'busy'} kind
 * @property {number} fromMs
 * @property {number} toMs
 * @property {number} node
 * @property {number} share of the packets that wait
 * @property {number} meanMs how long they wait on average
 * @property {number} lateMs how late the results of its agent are delivered at most
 * @property {string} text
 */
/** @typedef {Loss | Busy} Spell */
/** @typedef {{ readonly address: number, isAnswering: boolean, hasNetwork: boolean }} Pod what is at a number that stands for an address */
/**
 * @typedef {object} Sending
 * @property {number} from node
 * @property {number} to node
 * @property {Pod | undefined} pod absent if it is no agent
 * @property {'packet' | 'echo' | 'connection' | 'request' | 'large request'} kind `echo` is answered by the kernel
 */
/**
 * What an attempt yields.
 * @typedef {object} Fate
 * @property {'timeout' | 'refused' | undefined} reason
 * @property {number} tookNs
 * @property {number} connectNs of its connection
 * @property {number} retransmits of its SYN
 * @property {'forth' | 'back' | undefined} lost where its only packet was lost
 */

/** Loss of a healthy network: Pingmesh (2015) measured 1e-5 to 1e-4 per connection. */
const healthyLoss = 1e-5
export const timeoutMs = 3_500
/** When a SYN is sent (RFC 6298). */
const synsMs = [0, 1_000, 3_000]
const firstRepeatMs = 200
const dayMs = 86_400_000
/** Round trips in which a request and its reply pass. */
const roundTrips = { packet: 0, echo: 0, connection: 0, request: 1, 'large request': 3 }
/** Packets of an attempt, if none is lost, at most. */
const mostPackets = 8

/** Simulates the paths between nodes: round trips that vary, single packets that are lost, and spells. */
export function createNetwork(/** @type {{ nodes: number, seed: number }} */ { nodes, seed }) {
  const random = createRandom(seed)
  const pathOf = (/** @type {number} */ from, /** @type {number} */ to) => from * nodes + to
  const usualNs = Float64Array.from({ length: nodes * nodes }, (_, path) =>
    Math.floor(path / nodes) === path % nodes ? 40_000 : 150_000 * 10 ** random.ratio(),
  )
  /** Times vary by factors with a log-normal distribution. */
  const factors = Float64Array.from({ length: 4_096 }, () => Math.exp(0.15 * random.normal()))
  const untilLoss = () => Math.floor(Math.log(1 - random.ratio()) / Math.log(1 - healthyLoss))
  let healthyPackets = untilLoss()
  /** @type {Loss[]} */
  let losses = []
  /** @type {Busy[]} */
  let busy = []
  /** @type {Fate} */
  const fate = { reason: undefined, tookNs: 0, connectNs: 0, retransmits: 0, lost: undefined }

  const isLost = (/** @type {number} */ path, /** @type {number} */ atMs) => {
    if (healthyPackets-- <= 0) {
      healthyPackets = untilLoss()
      return true
    }
    for (const { fromMs, toMs, shares } of losses) {
      const share = atMs >= fromMs && atMs < toMs ? (shares[path] ?? 0) : 0
      if (share > 0 && random.ratio() < share) return true
    }
    return false
  }

  const roundTripNs = (/** @type {Sending} */ { from, to, kind }, /** @type {number} */ atMs) => {
    const bits = random.bits()
    let ns = (usualNs[pathOf(from, to)] ?? 0) * (factors[bits & 4_095] ?? 1)
    ns *= 1 + 0.1 * Math.sin((2 * Math.PI * atMs) / dayMs)
    // One in a hundred waits in a queue.
    if (bits >>> 12 < 0.01 * 2 ** 20) ns += random.exponential(2e6)
    for (const spell of busy) {
      if (atMs < spell.fromMs || atMs >= spell.toMs || (spell.node !== from && spell.node !== to)) continue
      const share = kind === 'packet' ? spell.share : spell.share / 2
      if (random.ratio() < share) ns += random.exponential(spell.meanMs * 1e6)
    }
    return Math.round(ns)
  }

  /** Returns on which way one of a packet and its answer is lost; undefined if neither is. */
  const lostOn = (/** @type {Sending} */ { from, to }, /** @type {number} */ atMs) => {
    if (from === to) return undefined
    const isLostForth = isLost(pathOf(from, to), atMs)
    const isLostBack = isLost(pathOf(to, from), atMs)
    return isLostForth ? 'forth' : isLostBack ? 'back' : undefined
  }
  const passes = (/** @type {Sending} */ sending, /** @type {number} */ atMs) => lostOn(sending, atMs) === undefined

  /** Returns when within an attempt its data has passed. */
  const dataMs = (/** @type {Sending} */ sending, /** @type {number} */ atMs) => {
    let afterMs = 0
    for (let trip = 0; trip < roundTrips[sending.kind]; trip++) {
      let repeatMs = firstRepeatMs
      while (!passes(sending, atMs + afterMs)) {
        afterMs += repeatMs
        repeatMs *= 2
        if (afterMs > timeoutMs) return afterMs
      }
    }
    return afterMs
  }

  const fail = (/** @type {'timeout' | 'refused'} */ reason, /** @type {number} */ tookNs) => {
    fate.reason = reason
    fate.tookNs = tookNs
    return fate
  }

  return {
    pathOf,
    begin(/** @type {Spell} */ spell) {
      if (spell.kind === 'loss') losses.push(spell)
      else busy.push(spell)
    },
    /** Forgets spells that no attempt in flight can meet. */
    forget(/** @type {number} */ nowMs) {
      const isKept = (/** @type {Spell} */ { toMs }) => toMs > nowMs - 10_000
      if (!losses.every(isKept)) losses = losses.filter(isKept)
      if (!busy.every(isKept)) busy = busy.filter(isKept)
    },
    /** Returns of how many attempts from now on no packet is lost and no result late, if no spell begins. */
    calmAttempts() {
      const isCalm = losses.length === 0 && busy.every(({ lateMs }) => lateMs === 0)
      return isCalm ? Math.floor(healthyPackets / mostPackets) : 0
    },
    /** An attempt of those passes. With `calmTripNs`, it is the same as `attempt` if the pod answers. */
    pass(/** @type {Sending} */ { from, to, kind }) {
      if (from !== to) healthyPackets -= 2 + 2 * roundTrips[kind]
    },
    calmTripNs: roundTripNs,
    /** Returns what an attempt yields; the next one overwrites it. `tripNs` is its time, if that is known. */
    attempt(
      /** @type {Sending} */ sending,
      /** @type {number} */ atMs,
      /** @type {number | undefined} */ tripNs = roundTripNs(sending, atMs),
    ) {
      const { kind, pod } = sending
      fate.reason = undefined
      fate.retransmits = 0
      fate.lost = undefined
      fate.connectNs = tripNs
      fate.tookNs = tripNs
      if (pod?.hasNetwork === false) return fail('timeout', timeoutMs * 1e6)
      if (kind === 'packet' || kind === 'echo') {
        fate.lost = lostOn(sending, atMs)
        if (fate.lost !== undefined) return fail('timeout', timeoutMs * 1e6)
        return pod?.isAnswering === false && kind === 'packet' ? fail('refused', tripNs) : fate
      }
      const tries = synsMs.findIndex((afterMs) => passes(sending, atMs + afterMs))
      const synMs = synsMs[tries]
      if (synMs === undefined) return fail('timeout', timeoutMs * 1e6)
      if (pod?.isAnswering === false) return fail('refused', synMs * 1e6 + tripNs)
      fate.retransmits = tries
      fate.connectNs = synMs * 1e6 + tripNs
      fate.tookNs = fate.connectNs + dataMs(sending, atMs + synMs) * 1e6
      return fate.tookNs > timeoutMs * 1e6 ? fail('timeout', timeoutMs * 1e6) : fate
    },
    /** Returns by how much the result of an attempt is delivered late. */
    lateMs(/** @type {Sending} */ { from }, /** @type {number} */ atMs) {
      const late = busy.find(
        ({ node, fromMs, toMs, lateMs }) => lateMs > 0 && node === from && atMs >= fromMs && atMs < toMs,
      )
      return late === undefined ? 0 : late.lateMs * random.ratio()
    },
  }
}

import { createRandom } from '../../support/random.mjs'

/** @typedef {import('./network.mjs').Spell} Spell */
/** @typedef {{ kind: 'restart' | 'crash' | 'rollout', fromMs: number, toMs: number, node: number, text: string }} Churn */
/** @typedef {Spell | Churn} Happening */
/** @typedef {ReturnType<typeof createTrace>} Trace */

const dayMs = 86_400_000
const minuteMs = 60_000

/** How often each thing happens, per day and link, node or mesh. */
const perDay = { linkBurst: 3, nodeBurst: 1, busy: 4, loaded: 1, restart: 1 / 6, crash: 1 / 6, rollout: 1 / 7 }

/** Of bursts of loss: most are short (Gilbert and Elliott), some are as long as a reroute takes. */
const burst = { meanMs: 300, longRatio: 0.2, longMostMs: 5_000, leastShare: 0.3 }

/** Of the packets of a loaded node, the share that waits: a path that delays more of them for half an hour is hardly well. */
const loaded = { leastShare: 0.1, mostShare: 0.4 }

/** What happens, in words. */
export const traceWords = [
  `- bursts of loss: ${perDay.linkBurst} a day on each link, and ${perDay.nodeBurst} a day on most links of each node; each takes ${burst.leastShare * 100} to 100 % of the packets, in one or both directions, for ${burst.meanMs} ms on average, or (one in ${1 / burst.longRatio}) for up to ${burst.longMostMs / 1_000} s`,
  `- ${perDay.busy} times a day, each node is busy for up to 20 s: half of its packets or more wait for up to 300 ms on average, and results arrive late by up to 6 s`,
  `- once a day, each node is loaded for up to half an hour: up to ${loaded.mostShare * 100} % of its packets wait for up to 5 ms on average`,
  `- every ${1 / perDay.restart} days each agent loses its pod, and as often its process; every ${1 / perDay.rollout} days all are replaced by a rollout; discovery reports it within 4.5 s`,
]

/**
 * What happens to a healthy mesh, in order of time: bursts of loss on a link or on several links of a node, hosts that are busy for
 * seconds, and so busy for minutes that a part of all packets waits, and pods that restart.
 */
export function createTrace(
  /** @type {{ nodes: number, seed: number, times?: number }} */ { nodes, seed, times: timesAsOften = 1 },
) {
  const random = createRandom(seed)
  const { between, ratio } = random
  const name = (/** @type {number} */ node) => `node${node + 1}`
  const noShares = () => new Float64Array(nodes * nodes)

  const burstAt = (/** @type {number} */ fromMs, /** @type {Float64Array} */ shares, /** @type {string} */ where) => {
    const lastsMs = ratio() < burst.longRatio ? between(0, burst.longMostMs) : random.exponential(burst.meanMs)
    const share = Math.max(...shares)
    return /** @type {const} */ ({
      kind: 'loss',
      fromMs,
      toMs: fromMs + Math.min(lastsMs, burst.longMostMs),
      shares,
      text: `${where} lost ${Math.round(share * 100)} % for ${(lastsMs / 1_000).toFixed(1)} s`,
    })
  }

  /** @returns {Happening} */
  const linkBurst = (/** @type {number} */ fromMs) => {
    const from = random.below(nodes)
    const to = (from + 1 + random.below(nodes - 1)) % nodes
    const share = between(burst.leastShare, 1)
    const shares = noShares()
    const isOneWay = ratio() < 0.5
    shares[from * nodes + to] = share
    if (!isOneWay) shares[to * nodes + from] = share
    return burstAt(fromMs, shares, `${name(from)} ${isOneWay ? '->' : '<->'} ${name(to)}`)
  }

  /** @returns {Happening} */
  const nodeBurst = (/** @type {number} */ fromMs) => {
    const node = random.below(nodes)
    const share = between(burst.leastShare, 1)
    const shares = noShares()
    for (let other = 0; other < nodes; other++) {
      if (other === node || ratio() < 0.2) continue
      shares[node * nodes + other] = share
      shares[other * nodes + node] = share
    }
    return burstAt(fromMs, shares, `links of ${name(node)}`)
  }

  /** @returns {Happening} */
  const busyFor = (
    /** @type {number} */ fromMs,
    /** @type {Pick<import('./network.mjs').Busy, 'toMs' | 'share' | 'meanMs' | 'lateMs'>} */ how,
  ) => {
    const node = random.below(nodes)
    const seconds = ((how.toMs - fromMs) / 1_000).toFixed(0)
    const text = `${name(node)} was busy for ${seconds} s: ${Math.round(how.share * 100)} % of its packets waited for ${how.meanMs.toFixed(1)} ms`
    return { kind: 'busy', fromMs, node, ...how, text }
  }

  /** @returns {Happening} */
  const churn = (/** @type {Churn['kind']} */ kind, /** @type {number} */ fromMs) => {
    const node = random.below(nodes)
    return { kind, fromMs, toMs: fromMs + minuteMs, node, text: `${kind} of an agent, first on ${name(node)}` }
  }

  const links = (nodes * (nodes - 1)) / 2
  /** @type {readonly (readonly [times: number, make: (fromMs: number) => Happening])[]} */
  const sources = [
    [perDay.linkBurst * links, linkBurst],
    [perDay.nodeBurst * nodes, nodeBurst],
    [
      perDay.busy * nodes,
      (fromMs) =>
        busyFor(fromMs, {
          toMs: fromMs + between(1_000, 20_000),
          share: between(0.5, 1),
          meanMs: 10 ** between(0.3, 2.5),
          lateMs: between(500, 6_000),
        }),
    ],
    [
      perDay.loaded * nodes,
      (fromMs) =>
        busyFor(fromMs, {
          toMs: fromMs + between(minuteMs, 30 * minuteMs),
          share: between(loaded.leastShare, loaded.mostShare),
          meanMs: 10 ** between(-0.5, 0.7),
          lateMs: 0,
        }),
    ],
    [perDay.restart * nodes, (fromMs) => churn('restart', fromMs)],
    [perDay.crash * nodes, (fromMs) => churn('crash', fromMs)],
    [perDay.rollout, (fromMs) => churn('rollout', fromMs)],
  ]
  const gap = (/** @type {number} */ times) => random.exponential(dayMs / times / timesAsOften)
  // A mesh starts well.
  const next = sources.map(([times, make]) => ({ times, make, happening: make(10 * minuteMs + gap(times)) }))
  const first = () => next.reduce((one, other) => (other.happening.fromMs < one.happening.fromMs ? other : one))
  let source = first()

  return {
    /** When the next thing happens. */
    get nextMs() {
      return source.happening.fromMs
    },
    /** Returns the next thing that happens. */
    take() {
      const { times, make, happening } = source
      source.happening = make(happening.fromMs + gap(times))
      source = first()
      return happening
    },
  }
}

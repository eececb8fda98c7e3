// What detection costs an agent, and how long it takes at the default interval by the size of the mesh. npm run scoreboard -- --replay has
// its false alarms.

import { Bench } from 'tinybench'
import { LossChart } from '../../packages/core/dist/diagnose/detect/chart.js'
import { Detector } from '../../packages/core/dist/diagnose/detect/detector.js'
import { thresholdOf } from '../../packages/core/dist/diagnose/detect/threshold.js'

const seriesCount = 12
const intervalMs = 10_000
const stepMs = intervalMs / seriesCount
const measured = { totalNs: 200_000, phasesNs: {}, clock: { rx: 'kernel' } }
const passed = /** @type {const} */ ({ ...measured, ok: true })
const lost = /** @type {const} */ ({ ...measured, ok: false, failure: { reason: 'timeout' } })

/** @param {number} nodes */
function linkOf(nodes) {
  const link = new LossChart(thresholdOf({ nodes, checks: 1, intervalMs: stepMs }))
  const threshold = thresholdOf({ nodes, checks: seriesCount, intervalMs })
  const series = Array.from({ length: seriesCount }, () => new Detector({ threshold, yields: 'time', link }))
  const isLossy = () => series.some(({ state }) => state.loss !== undefined)
  return { series, isLossy }
}

/**
 * Returns the seconds until a link is known to be lossy, and until it is known to be well.
 *
 * @param {number} nodes
 * @param {number} rate
 */
function delaysOf(nodes, rate) {
  const { series, isLossy } = linkOf(nodes)
  let step = 0
  /** @param {() => boolean} isLost */
  const round = (isLost) => {
    for (const detector of series) detector.add(isLost() ? lost : passed, step++ * stepMs)
  }
  for (let rounds = 0; rounds < 100; rounds++) round(() => false)
  let opened = 0
  let closed = 0
  for (; !isLossy() && opened < 10_000; opened++) round(() => Math.random() < rate)
  for (; isLossy() && closed < 10_000; closed++) round(() => false)
  return { opened: (opened * intervalMs) / 1_000, closed: (closed * intervalMs) / 1_000 }
}

/** @param {readonly number[]} values @param {number} ratio */
function quantile(values, ratio) {
  return values.toSorted((a, b) => a - b)[Math.floor(ratio * (values.length - 1))]
}

const bench = new Bench({ name: 'detect', time: 300, throws: true })
const { series } = linkOf(3)
let count = 0
bench
  .add('a success of one of twelve series', () => series[count % seriesCount]?.add(passed, count++ * stepMs))
  .add('a success or, one in a thousand, a failure', () =>
    series[count % seriesCount]?.add(count % 1_000 === 0 ? lost : passed, count++ * stepMs),
  )
await bench.run()
console.log(bench.name)
console.table(bench.table())

console.log(`seconds until a link of ${seriesCount} series, an attempt of each per 10 s, is found lossy and well again`)
console.table(
  [3, 100, 1_000].flatMap((nodes) =>
    [0.03, 0.05, 0.1, 0.2, 0.5].map((rate) => {
      const delays = Array.from({ length: 100 }, () => delaysOf(nodes, rate))
      const opened = delays.map((one) => one.opened)
      const closed = delays.map((one) => one.closed)
      return {
        nodes,
        rate,
        'opened p50': quantile(opened, 0.5),
        'opened p95': quantile(opened, 0.95),
        'closed p50': quantile(closed, 0.5),
        'closed p95': quantile(closed, 0.95),
      }
    }),
  ),
)

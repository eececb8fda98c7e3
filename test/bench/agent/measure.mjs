import { setTimeout as sleep } from 'node:timers/promises'
import { fetchText } from './kubelet.mjs'
import { agentAddress } from './network.mjs'
import { mainThreadCpuMs, memoryOf, peakResidentMib, threadsOf, usedBetween } from './usage.mjs'

/** @typedef {import('@scout/core').Row} Row */
/** @typedef {Awaited<ReturnType<typeof import('./peers-process.mjs').startPeers>>} Peers */
/** @typedef {import('./peers-main.mjs').Count} Count */

export const consoleUrl = `http://${agentAddress}:8080`
const samplePauseMs = 5_000
const scrapes = 10
/** Name under which successes are counted, beside `CHECK: REASON`. */
const passed = 'passed'

/** Returns everything that the agent knows. */
/** @returns {Promise<Row>} */
export async function readRow() {
  return JSON.parse(await fetchText(`${consoleUrl}/api/v1/snapshot`))
}

/**
 * Measures the agent for a while. The snapshots are taken before and after, so their cost is not in it.
 *
 * @param {number} pid
 * @param {{ peers: Peers, measureMs: number }} options
 */
export async function useWhile(pid, { peers, measureMs }) {
  const rowBefore = await readRow()
  const loadBefore = await peers.order('count')
  const startMs = performance.now()
  const before = threadsOf(pid)
  let privatePeakMib = 0
  for (let leftMs = measureMs; leftMs > 0; leftMs = measureMs - (performance.now() - startMs)) {
    await sleep(Math.min(samplePauseMs, leftMs))
    privatePeakMib = Math.max(privatePeakMib, memoryOf(pid).privateMib)
  }
  const after = threadsOf(pid)
  const seconds = (performance.now() - startMs) / 1000
  const { privateMib, residentMib } = memoryOf(pid)
  const loadAfter = await peers.order('count')
  const rowAfter = await readRow()
  const threads = Array.from(usedBetween(before, after), ([name, { cpuNs, switches }]) => ({
    name,
    percent: (cpuNs / 1e9 / seconds) * 100,
    wakeups: switches / seconds,
  }))
  const outcomes = attemptsBetween(rowBefore, rowAfter)
  return {
    threads,
    memory: { privateMib, privatePeakMib, residentMib, residentPeakMib: peakResidentMib(pid) },
    series: rowAfter.series.length,
    attemptsPerSecond: sum(Object.values(outcomes)) / seconds,
    failures: Object.entries(outcomes).flatMap(([name, count]) => (name === passed ? [] : [{ name, count }])),
    load: difference(loadBefore, loadAfter),
    seconds,
  }
}

/**
 * @param {Row} before
 * @param {Row} after
 */
function attemptsBetween(before, after) {
  /** @type {Record<string, number>} */
  const counts = { [passed]: 0 }
  const add = (/** @type {Row} */ { series }, /** @type {1 | -1} */ sign) => {
    for (const { check, total } of series) {
      const named = Object.entries(total.reasons).map(
        ([reason, count]) => /** @type {const} */ ([`${check}: ${reason}`, count]),
      )
      for (const [name, count] of [/** @type {const} */ ([passed, total.passed]), ...named]) {
        counts[name] = (counts[name] ?? 0) + sign * count
      }
    }
  }
  add(after, 1)
  add(before, -1)
  return Object.fromEntries(Object.entries(counts).filter(([name, count]) => name === passed || count !== 0))
}

/**
 * Returns what the peers sent in between, and how often which of their checks failed and why.
 *
 * @param {Record<string, Count>} before
 * @param {Record<string, Count>} after
 */
function difference(before, after) {
  const sent = Object.entries(after).map(([check, count]) => count.sent - (before[check]?.sent ?? 0))
  const failures = Object.entries(after).flatMap(([check, { failed }]) =>
    Object.entries(failed).map(([why, count]) => ({
      name: `${check}: ${why}`,
      count: count - (before[check]?.failed[why] ?? 0),
    })),
  )
  return { sent: sum(sent), failures: failures.filter(({ count }) => count > 0) }
}

/**
 * Returns the time of the main thread for one scrape: the median of some, less what that thread does meanwhile without any.
 *
 * @param {number} pid
 * @param {Pick<Awaited<ReturnType<typeof useWhile>>, 'threads'>} use
 */
export async function costOfScrapeMs(pid, { threads }) {
  const share = (threads.find(({ name }) => name === 'main')?.percent ?? 0) / 100
  const costs = []
  for (let scrape = 0; scrape < scrapes; scrape++) {
    await sleep(1_000) // in use its code and data are cold, too
    const startMs = performance.now()
    const beforeMs = mainThreadCpuMs(pid)
    await fetchText(`${consoleUrl}/metrics`)
    const usedMs = mainThreadCpuMs(pid) - beforeMs
    costs.push(usedMs - share * (performance.now() - startMs))
  }
  return costs.toSorted((a, b) => a - b)[scrapes / 2] ?? Number.NaN
}

/** @param {readonly number[]} numbers */
function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0)
}

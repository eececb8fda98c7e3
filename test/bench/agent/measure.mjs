import { setTimeout as sleep } from 'node:timers/promises'
import { fetchText } from './kubelet.mjs'
import { agentAddress } from './network.mjs'
import { mainThreadCpuMs, memoryOf, peakResidentMib, threadsOf, usedBetween } from './usage.mjs'

/** @typedef {Awaited<ReturnType<typeof import('./peers-process.mjs').startPeers>>} Peers */
/** @typedef {import('./peers-main.mjs').Count} Count */

export const consoleUrl = `http://${agentAddress}:8080`
const samplePauseMs = 5_000
const scrapes = 10
/** Name under which successes are counted, beside `CHECK: REASON`. */
const passed = 'passed'

/**
 * Returns the values of one of the agent's metrics by their labels, as they are written. Metrics are read because a Prometheus does so, too;
 * the API would load code that no agent needs of which nobody opens the page.
 *
 * @param {string} name
 * @returns {Promise<ReadonlyMap<string, number>>}
 */
export async function readMetric(name) {
  const lines = (await fetchText(`${consoleUrl}/metrics`)).matchAll(new RegExp(`^${name}{(.*)} (\\d+)$`, 'gm'))
  return new Map(Array.from(lines, ([, labels = '', value]) => [labels, Number(value)]))
}

const readAttempts = () => readMetric('scout_probe_attempts_total')

/**
 * Measures the agent for a while. Its counters are read before and after, so that the cost is not in it.
 *
 * @param {number} pid
 * @param {{ peers: Peers, measureMs: number }} options
 */
export async function useWhile(pid, { peers, measureMs }) {
  const attemptsBefore = await readAttempts()
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
  const attemptsAfter = await readAttempts()
  const threads = Array.from(usedBetween(before, after), ([name, { cpuNs, switches }]) => ({
    name,
    percent: (cpuNs / 1e9 / seconds) * 100,
    wakeups: switches / seconds,
  }))
  const outcomes = attemptsBetween(attemptsBefore, attemptsAfter)
  return {
    threads,
    memory: { privateMib, privatePeakMib, residentMib, residentPeakMib: peakResidentMib(pid) },
    series: new Set(Array.from(attemptsAfter.keys(), (labels) => labels.replace(/,outcome=.*/, ''))).size,
    attemptsPerSecond: sum(Object.values(outcomes)) / seconds,
    failures: Object.entries(outcomes).flatMap(([name, count]) => (name === passed ? [] : [{ name, count }])),
    load: difference(loadBefore, loadAfter),
    seconds,
  }
}

/**
 * Returns the number of attempts in between by outcome.
 *
 * @param {ReadonlyMap<string, number>} before
 * @param {ReadonlyMap<string, number>} after
 */
function attemptsBetween(before, after) {
  /** @type {Record<string, number>} */
  const counts = { [passed]: 0 }
  for (const [labels, total] of after) {
    const reason = label(labels, 'reason')
    const name = reason === undefined ? passed : `${label(labels, 'check')}: ${reason}`
    const count = total - (before.get(labels) ?? 0)
    if (count !== 0) counts[name] = (counts[name] ?? 0) + count
  }
  return counts
}

/**
 * @param {string} labels
 * @param {string} name
 */
function label(labels, name) {
  return new RegExp(`\\b${name}="([^"]*)"`).exec(labels)?.[1]
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

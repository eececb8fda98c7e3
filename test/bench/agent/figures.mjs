/** @typedef {import('./stage-main.mjs').Result} Result */
/**
 * @typedef {object} Figure
 * @property {string} name
 * @property {(result: Result) => number | undefined} read undefined if it could not be measured
 * @property {number} [atMost]
 * @property {number} [atLeast]
 */

/**
 * Limits by number of peers, in % of a core and milliseconds of a machine whose yardstick is 2.0. One scrape is limited by what 6,000
 * series may take. Of the CPU of 31 peers, 0.7 points are for streams of two packets a second to each of them and back.
 *
 * @type {Record<number, { cpuPercent: number, privateMib: number, residentMib?: number, scrapeMs?: number }>}
 */
const limits = {
  31: { cpuPercent: 1.6, privateMib: 45, residentMib: 100 },
  1000: { cpuPercent: 8, privateMib: 90, scrapeMs: 25 },
}
const limitsYardstick = 2
const scrapeSeries = 6_000

/** Default checks of a peer a second: two packets of the stream, four checks every 10 s, four every 30 s. The dns check runs once an agent. */
const [attemptsOfPeer, attemptsOfAgent] = [2.53, 0.1]
/** Threads that use less are not shown. */
const shownPercent = 0.01
/** A part of the expected attempts that may fall out of the measured time. */
const tolerance = 0.05

/**
 * Returns every figure of a run with that many peers, with its limit on this machine.
 *
 * @param {{ peers: number, probed: number, yardstick: number, measured: readonly Result[] }} run
 * @returns {readonly Figure[]}
 */
export function figuresOf({ peers, probed, yardstick, measured }) {
  const limit = limits[peers]
  const scaled = (/** @type {number | undefined} */ value) => most(value && (value * limitsYardstick) / yardstick)
  const series = Math.max(...measured.map(({ series }) => series))
  const busy = measured.flatMap(({ threads }) => threads.filter(({ percent }) => percent >= shownPercent))
  const threads = [...new Set(busy.map(({ name }) => name))]
  return [
    {
      name: 'attempts a second',
      read: (result) => result.attemptsPerSecond,
      atLeast: (probed * attemptsOfPeer + attemptsOfAgent) * (1 - tolerance),
    },
    { name: 'failed attempts', read: (result) => sum(result.failures.map(({ count }) => count)), atMost: 0 },
    { name: 'probes of peers a second', read: (result) => result.load.sent / result.seconds },
    { name: 'unanswered', read: (result) => sum(result.load.failures.map(({ count }) => count)), atMost: 0 },
    { name: 'failed requests of kubelet, Prometheus', read: (result) => result.kubeletFailures.length, atMost: 0 },
    { name: 'CPU, % of a core', read: (result) => cpuPercent(result), ...scaled(limit?.cpuPercent) },
    ...threads.map((name) => ({
      name: `  thread ${name}`,
      read: (/** @type {Result} */ result) => result.threads.find((thread) => thread.name === name)?.percent,
    })),
    { name: 'private MiB', read: (result) => result.memory.privateMib, ...most(limit?.privateMib) },
    { name: '  at its peak', read: (result) => result.memory.privatePeakMib },
    { name: 'resident MiB', read: (result) => result.memory.residentMib, ...most(limit?.residentMib) },
    { name: '  at its peak, since the start', read: (result) => result.memory.residentPeakMib },
    {
      name: 'voluntary context switches a second',
      read: (result) => sum(result.threads.map(({ wakeups }) => wakeups)),
    },
    { name: 'epoll calls a second', read: (result) => result.calls?.epollPerSecond },
    { name: 'system calls a second', read: (result) => result.calls?.allPerSecond },
    {
      name: `one scrape of ${series} series, ms of the main thread`,
      read: (result) => result.scrapeMs,
      ...scaled(limit?.scrapeMs && (limit.scrapeMs * series) / scrapeSeries),
    },
  ]
}

/** @param {number | undefined} value */
function most(value) {
  return value === undefined ? {} : { atMost: value }
}

/**
 * Returns whether the figure keeps its limit; undefined if it has none, or was not measured.
 *
 * @param {Figure} figure
 * @param {Result} measured
 */
export function isHeld({ read, atMost, atLeast }, measured) {
  const value = read(measured)
  if (value === undefined || (atMost === undefined && atLeast === undefined)) return undefined
  return value <= (atMost ?? Number.POSITIVE_INFINITY) && value >= (atLeast ?? Number.NEGATIVE_INFINITY)
}

/** Returns sentences about everything that failed. */
export function failuresIn(/** @type {Result} */ { failures, load, kubeletFailures }) {
  return [
    ...failures.map(({ name, count }) => `${count} attempts failed: ${name}`),
    ...load.failures.map(({ name, count }) => `${count} probes of peers failed: ${name}`),
    ...kubeletFailures.map((message) => `a request of kubelet or Prometheus failed: ${message}`),
  ]
}

/** @param {Result} result */
function cpuPercent({ threads }) {
  return sum(threads.map(({ percent }) => percent))
}

/** @param {readonly number[]} numbers */
function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0)
}

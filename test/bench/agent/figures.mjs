/** @typedef {import('./stage-main.mjs').Result} Result */
/** @typedef {{ plain: Result, streaming: Result | undefined }} Measured results of one checkout */
/**
 * @typedef {object} Figure
 * @property {string} name
 * @property {(measured: Measured) => number | undefined} read undefined if it could not be measured
 * @property {number} [atMost]
 * @property {number} [atLeast]
 */

/**
 * Limits by number of peers, in % of a core and milliseconds of a machine whose yardstick is 2.0. One scrape is limited by what 6,000
 * series may take.
 *
 * @type {Record<number, { cpuPercent: number, privateMib: number, residentMib?: number, streamPoints?: number, scrapeMs?: number }>}
 */
const limits = {
  31: { cpuPercent: 0.9, privateMib: 45, residentMib: 100, streamPoints: 0.7 },
  1000: { cpuPercent: 8, privateMib: 90, scrapeMs: 25 },
}
const limitsYardstick = 2
const scrapeSeries = 6_000

/** Default checks of a peer a second: five every 10 s, three every 30 s. The dns check runs once an agent. */
const [attemptsOfPeer, attemptsOfAgent] = [0.6, 0.1]
/** Threads that use less are not shown. */
const shownPercent = 0.01
/** A part of the expected attempts that may fall out of the measured time. */
const tolerance = 0.05

/**
 * Returns every figure of a run with that many peers, with its limit on this machine.
 *
 * @param {{ peers: number, yardstick: number, measured: readonly Measured[] }} run
 * @returns {readonly Figure[]}
 */
export function figuresOf({ peers, yardstick, measured }) {
  const limit = limits[peers]
  const scaled = (/** @type {number | undefined} */ value) => most(value && (value * limitsYardstick) / yardstick)
  const series = Math.max(...measured.map(({ plain }) => plain.series))
  const isStreaming = measured.some(({ streaming }) => streaming !== undefined)
  const busy = measured.flatMap(({ plain }) => plain.threads.filter(({ percent }) => percent >= shownPercent))
  const threads = [...new Set(busy.map(({ name }) => name))]
  return [
    {
      name: 'attempts a second',
      read: ({ plain }) => plain.attemptsPerSecond,
      atLeast: (peers * attemptsOfPeer + attemptsOfAgent) * (1 - tolerance),
    },
    { name: 'failed attempts', read: ({ plain }) => sum(plain.failures.map(({ count }) => count)), atMost: 0 },
    { name: 'probes of peers a second', read: ({ plain }) => plain.load.sent / plain.seconds },
    { name: 'unanswered', read: ({ plain }) => sum(plain.load.failures.map(({ count }) => count)), atMost: 0 },
    { name: 'failed requests of kubelet, Prometheus', read: ({ plain }) => plain.kubeletFailures.length, atMost: 0 },
    { name: 'CPU, % of a core', read: ({ plain }) => cpuPercent(plain), ...scaled(limit?.cpuPercent) },
    ...threads.map((name) => ({
      name: `  thread ${name}`,
      read: (/** @type {Measured} */ { plain }) => plain.threads.find((thread) => thread.name === name)?.percent,
    })),
    ...(isStreaming
      ? [
          {
            name: 'CPU of a stream, points more',
            read: (/** @type {Measured} */ { plain, streaming }) =>
              streaming && cpuPercent(streaming) - cpuPercent(plain),
            ...scaled(limit?.streamPoints),
          },
          {
            name: 'failed attempts, with the stream',
            read: (/** @type {Measured} */ { streaming }) =>
              streaming && sum(streaming.failures.map(({ count }) => count)),
            ...most(0),
          },
        ]
      : []),
    { name: 'private MiB', read: ({ plain }) => plain.memory.privateMib, ...most(limit?.privateMib) },
    { name: '  at its peak', read: ({ plain }) => plain.memory.privatePeakMib },
    { name: 'resident MiB', read: ({ plain }) => plain.memory.residentMib, ...most(limit?.residentMib) },
    { name: '  at its peak, since the start', read: ({ plain }) => plain.memory.residentPeakMib },
    {
      name: 'voluntary context switches a second',
      read: ({ plain }) => sum(plain.threads.map(({ wakeups }) => wakeups)),
    },
    { name: 'epoll calls a second', read: ({ plain }) => plain.calls?.epollPerSecond },
    { name: 'system calls a second', read: ({ plain }) => plain.calls?.allPerSecond },
    {
      name: `one scrape of ${series} series, ms of the main thread`,
      read: ({ plain }) => plain.scrapeMs,
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
 * @param {Measured} measured
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

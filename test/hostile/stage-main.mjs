// node stage-main.mjs REQUEST: the mesh and its neighbour. Runs as process 1 of namespaces of its own
// (bench/measurement/src/stage/enter.ts), whose only links are those made here. Reports bounds over its channel.

import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { catalogue, entriesOf, outcomeFor, row } from '@scout/core'
import { fetchText } from '../bench/agent/kubelet.mjs'
import { memoryOf } from '../bench/agent/usage.mjs'
import { makeBridge, startInNetwork } from './network.mjs'

/**
 * @typedef {object} Request
 * @property {string} node
 * @property {readonly string[]} flags Node's flags for the agents
 * @property {Record<string, string>} environment of the agents
 * @property {number} loadMs
 * @property {number} limitMib
 */
/** @typedef {{ what: string, measured: string, most: string, isHeld: boolean }} Bound */
/** @typedef {import('@scout/core').Row} Row */
/** @typedef {Awaited<ReturnType<typeof startAgent>>} Agent */

process.once('disconnect', () => process.exit(1))
/** @type {Request} */
const request = JSON.parse(process.argv[2] ?? '')

const consolePort = 8080
const responderPort = 8081
const hostile = '10.99.2.1'
const agentAddresses = ['10.99.1.1', '10.99.1.2', '10.99.1.3']

/** Interval of all checks but the expensive ones. */
const intervalMs = 500
/**
 * An agent gives spare memory back once a minute, and between that its heap grows and shrinks by more than the tolerance. So its level is
 * the least it holds: before the load in the fourth minute, when its code has been compiled and what it remembers of its links has begun to
 * fill, after the load within two more of these minutes. A short run, which is one of the tests, has no time for that.
 */
const hasLevels = request.loadMs >= 60_000
const warmupMs = hasLevels ? 190_000 : 3_000
const readersMs = 6_000
const calmMostMs = 150_000

/**
 * How much higher the level may be after the load than before. What malloc holds between blocks in use stays: 15 MiB after 2 minutes, 17 after 15.
 * JavaScript's heaps are back at what they were.
 */
const toleranceMib = 24
const healthMostMs = 1_000
/** Of the median of the agents' own HTTP attempts, while others read /bytes. */
const slowerMost = 2

process.send?.(await measure(), () => process.exit())

/** @returns {Promise<readonly Bound[]>} */
async function measure() {
  makeBridge()
  mkdirSync('/tmp', { recursive: true })
  const agents = await Promise.all(agentAddresses.map(startAgent))
  await untilHealthy(agents)
  report('the agents are well')
  await sleep(warmupMs)

  const idle = watch(agents)
  await sleep(readersMs)
  await idle.stop()
  const before = { levels: agents.map(idle.levelMib), rows: await rowsOf(agents) }

  report(`level before: ${mib(before.levels)}`)
  const load = watch(agents)
  const neighbour = await startNeighbour()
  await neighbour.start('readers')
  await sleep(1_000)
  const reading = watch(agents)
  await sleep(readersMs)
  await reading.stop()
  report(`beside readers of /bytes: own HTTP ${reading.medianNs() / 1e6} ms, without ${idle.medianNs() / 1e6} ms`)
  await neighbour.start('everything')
  await sleep(request.loadMs)
  await load.stop()
  const after = await rowsOf(agents)
  await neighbour.end()
  report(
    `under load: at most ${load.mostMib()} MiB (of sockets alone ${load.ofSocketsMib()}), /healthz within ${Math.round(load.slowestMs())} ms`,
  )

  const failures = difference(after, before.rows)
  const skipped = sum(after, ({ schedule }) => schedule.skipped) - sum(before.rows, ({ schedule }) => schedule.skipped)
  const levels = hasLevels ? [await levelBound(agents, before.levels)] : []
  return [
    bound('false failures', { measured: failures.length, most: 0, detail: failures.join('; ') }),
    bound('attempts skipped', { measured: skipped, most: 0 }),
    bound('unanswered /healthz', { measured: load.unanswered(), most: 0 }),
    bound('slowest /healthz, ms', { measured: Math.round(load.slowestMs()), most: healthMostMs }),
    bound('most memory of an agent, MiB, with that of its sockets', {
      measured: load.mostMib(),
      most: request.limitMib,
    }),
    ...levels,
    bound('median of own HTTP beside 40 readers of /bytes, times that without', {
      measured: Math.round((reading.medianNs() / idle.medianNs()) * 100) / 100,
      most: slowerMost,
    }),
  ]
}

/**
 * @param {readonly Agent[]} agents
 * @param {readonly number[]} before
 */
async function levelBound(agents, before) {
  const measured = await keptMib(agents, before)
  return bound(`level of memory after the load, MiB above that before (${mib(before)})`, {
    measured,
    most: toleranceMib,
  })
}

function mib(/** @type {readonly number[]} */ values) {
  return `${values.map(Math.round).join(', ')} MiB`
}

function report(/** @type {string} */ text) {
  process.stderr.write(`${Math.round(performance.now() / 1000)} s: ${text}\n`)
}

/**
 * @param {string} what
 * @param {{ measured: number, most: number, detail?: string }} values
 */
function bound(what, { measured, most, detail = '' }) {
  const shown = detail === '' ? String(measured) : `${measured}: ${detail}`
  return { what, measured: shown, most: String(most), isHeld: measured <= most }
}

/** Starts an agent as in the image, in a network namespace of its own. */
async function startAgent(/** @type {string} */ address, /** @type {number} */ index) {
  const name = `agent-${index + 1}`
  const path = `/tmp/scout-hostile-${process.ppid}-${name}.json`
  writeFileSync(path, JSON.stringify(configuration(name, address)))
  const program = new URL('../../packages/agent/bin/scout-agent.js', import.meta.url).pathname
  const command = [request.node, ...request.flags, program, '--config', path]
  const child = await startInNetwork(address, command, request.environment)
  return { name, pid: child.pid ?? 0, url: `http://${address}:${consolePort}` }
}

function configuration(/** @type {string} */ name, /** @type {string} */ address) {
  const peers = agentAddresses
    .map((address, index) => ({ name: `agent-${index + 1}`, addresses: [address], port: responderPort }))
    .filter((peer) => peer.name !== name)
  const checks = catalogue
    .filter(({ protocol }) => protocol !== 'dns')
    .map((check) => {
      const { protocol, target, options, rounds = 1 } = /** @type {import('@scout/core').CheckDefinition} */ (check)
      return [check.name, { probe: protocol, target, interval: `${rounds * intervalMs}ms`, ...options }]
    })
  return {
    name,
    addresses: [address],
    level: 'warn',
    settle: '0s',
    console: { host: '::', port: consolePort },
    responder: { host: '::', port: responderPort },
    peers,
    checks: Object.fromEntries(checks),
  }
}

/** Waits until every series of every agent is well. */
async function untilHealthy(/** @type {readonly Agent[]} */ agents) {
  for (const untilMs = performance.now() + 30_000; ; await sleep(200)) {
    const rows = await rowsOf(agents).catch(() => [])
    const series = rows.flatMap((row) => row.series)
    if (series.length > 0 && series.every(({ state }) => state === 'ok' || state === 'unable')) return
    if (performance.now() > untilMs) {
      const ill = series.filter(({ state }) => state !== 'ok').map(({ check, state, last }) => ({ check, state, last }))
      throw new Error(`the agents did not find each other: ${JSON.stringify(ill.slice(0, 3))}`)
    }
  }
}

/** Starts the neighbour, which waits for orders. */
async function startNeighbour() {
  const program = new URL('./neighbour-main.mjs', import.meta.url).pathname
  const targets = agentAddresses.map((address) => ({ address, consolePort, responderPort }))
  const child = await startInNetwork(hostile, [process.execPath, program, JSON.stringify(targets)])
  return {
    start: async (/** @type {string} */ order) => void child.stdin?.write(`${order}\n`),
    async end() {
      child.kill('SIGKILL')
    },
  }
}

/** Asks for /healthz five times a second, and reads memory and rows once a second. */
function watch(/** @type {readonly Agent[]} */ agents) {
  const ending = new AbortController()
  let unanswered = 0
  let slowestMs = 0
  let mostMib = 0
  let ofSocketsMib = 0
  const levels = createLevels()
  /** @type {Map<string, number>} */
  const tookNs = new Map()

  const askHealth = async (/** @type {Agent} */ { url }) => {
    while (!ending.signal.aborted) {
      const startMs = performance.now()
      await fetchText(`${url}/healthz`).catch(() => unanswered++)
      slowestMs = Math.max(slowestMs, performance.now() - startMs)
      await sleep(200)
    }
  }
  const read = async () => {
    while (!ending.signal.aborted) {
      for (const agent of agents) {
        const [process, sockets] = [levels.read(agent).residentMib, socketMib(agent.pid)]
        mostMib = Math.max(mostMib, process + sockets)
        ofSocketsMib = Math.max(ofSocketsMib, sockets)
      }
      const rows = await rowsOf(agents).catch(() => [])
      for (const { self, series } of rows)
        for (const { check, to, last } of series)
          if (check === 'http' && last?.ok === true) tookNs.set(`${self.name} ${to} ${last.startedAtMs}`, last.totalNs)
      await sleep(intervalMs)
    }
  }
  const tasks = [read(), ...agents.map(askHealth)]
  return {
    unanswered: () => unanswered,
    slowestMs: () => slowestMs,
    mostMib: () => Math.round(mostMib),
    ofSocketsMib: () => Math.round(ofSocketsMib),
    levelMib: levels.of,
    medianNs: () => [...tookNs.values()].toSorted((a, b) => a - b)[tookNs.size >> 1] ?? Number.NaN,
    async stop() {
      ending.abort()
      await Promise.all(tasks)
    },
  }
}

/** Waits until the level of every agent is within the tolerance; returns how far the highest is above that before, in MiB. */
async function keptMib(/** @type {readonly Agent[]} */ agents, /** @type {readonly number[]} */ before) {
  const levels = createLevels()
  for (const untilMs = performance.now() + calmMostMs; ; await sleep(1_000)) {
    agents.forEach(levels.read)
    const most = Math.max(...agents.map((agent, index) => levels.of(agent) - (before[index] ?? 0)))
    if (most > toleranceMib && performance.now() < untilMs) continue
    report(`level after: ${mib(agents.map(levels.of))}`)
    return Math.round(most)
  }
}

/** The least private memory that each agent had when it was read. */
function createLevels() {
  /** @type {Map<number, number>} */
  const least = new Map()
  const of = (/** @type {Agent} */ { pid }) => least.get(pid) ?? Number.POSITIVE_INFINITY
  return {
    of,
    read(/** @type {Agent} */ agent) {
      const memory = memoryOf(agent.pid)
      least.set(agent.pid, Math.min(of(agent), memory.privateMib))
      return memory
    },
  }
}

/** Returns what the kernel holds for the sockets of a process's network, which counts against a pod's limit, too. */
function socketMib(/** @type {number} */ pid) {
  const { stdout } = spawnSync('nsenter', [`--net=/proc/${pid}/ns/net`, 'ss', '-H', '-t', '-u', '-a', '-m', '-n'], {
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  })
  // skmem:(r<received>,rb…,t<transmitted>,tb…,f<forward>,w<queued>,…): ss(8).
  const matches = stdout.matchAll(/skmem:\(r(\d+),rb\d+,t\d+,tb\d+,f(\d+),w(\d+)/g)
  return [...matches].reduce((bytes, [, r, f, w]) => bytes + Number(r) + Number(f) + Number(w), 0) / 2 ** 20
}

/** @returns {Promise<readonly Row[]>} */
async function rowsOf(/** @type {readonly Agent[]} */ agents) {
  return Promise.all(agents.map(async ({ url }) => row.parse(JSON.parse(await fetchText(`${url}/api/v1/snapshot`)))))
}

/** Returns the failures that the later rows count and the earlier do not. */
function difference(/** @type {readonly Row[]} */ later, /** @type {readonly Row[]} */ earlier) {
  const counted = new Map(earlier.flatMap(failuresIn))
  return later
    .flatMap(failuresIn)
    .filter(([what, count]) => count > (counted.get(what) ?? 0))
    .map(([what, count]) => `${count - (counted.get(what) ?? 0)} × ${what}`)
}

/** @returns {readonly (readonly [string, number])[]} */
function failuresIn(/** @type {Row} */ { self, series }) {
  return series.flatMap(({ check, to, total, failures }) =>
    entriesOf(total.reasons)
      .filter(([reason]) => outcomeFor(reason) === 'failure')
      .map(([reason, count]) => {
        const newest = failures.findLast((one) => !one.ok && one.failure.reason === reason)
        const said = newest?.ok === false ? ` (${newest.failure.message})` : ''
        return /** @type {const} */ ([`${self.name} ${check} to ${to}: ${reason}${said}`, count])
      }),
  )
}

/** @param {readonly Row[]} rows @param {(row: Row) => number} read */
function sum(rows, read) {
  return rows.reduce((total, row) => total + read(row), 0)
}

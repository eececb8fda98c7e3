// npm run bench:agent: one agent with a thousand peers on this machine, all answered by this process. Fails when a probe is late by
// more than an interval, left out, or lost; prints what the agent's process needs for it.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { root } from '../../../scripts/command.mjs'
import { prepare } from '../../../scripts/prepare.mjs'

await prepare('bench')
const { parseDurationMs, probe, startDnsResponder, startHttpResponder, startUdpResponder } = await import('@scout/core')

const { values } = parseArgs({
  options: {
    duration: { type: 'string', default: '2m' },
    interval: { type: 'string', default: '10s' },
    peers: { type: 'string', default: '1000' },
  },
})
const durationMs = parseDurationMs(values.duration)
const intervalMs = parseDurationMs(values.interval)

const agentAddress = '127.99.0.1'
const addresses = Array.from({ length: Number(values.peers) }, (_, i) => `127.100.${i >> 8}.${i & 0xff}`)

const document = () => ({ message: 'connected to scout' })
const http = await startHttpResponder({ host: '0.0.0.0', port: 0, document })
// A socket for all addresses would answer from its host's first one, and the prober would not match that answer.
const udp = await Promise.all(addresses.map((host) => startUdpResponder({ host, port: http.port })))
const dns = await startDnsResponder({ host: '127.0.0.1', port: 0, addressesOf: () => ['127.0.0.1'] })
const icmp = await probe('icmp', '127.0.0.1')
if (!icmp.ok) console.error(`without icmp: ${icmp.failure.message}`)

const folder = await mkdtemp(join(tmpdir(), 'scout-bench-'))
const configuration = join(folder, 'config.yaml')
await writeFile(
  configuration,
  JSON.stringify({
    name: 'scout',
    addresses: [agentAddress],
    interval: values.interval,
    probedNodes: addresses.length,
    console: { host: agentAddress, port: 0 },
    responder: { host: agentAddress, port: 0 },
    peers: addresses.map((address, i) => ({ name: `peer-${i}`, addresses: [address], port: http.port })),
    checks: {
      http: { probe: 'http' },
      tcp: { probe: 'tcp' },
      udp: { probe: 'udp' },
      ...(icmp.ok ? { icmp: { probe: 'icmp' } } : {}),
      dns: { probe: 'dns', target: `{name}.scout.local@127.0.0.1:${dns.port}` },
    },
  }),
)

const agent = spawn(process.execPath, ['packages/agent/dist/main.js', '--config', configuration], {
  cwd: root,
  stdio: ['ignore', 'pipe', 'inherit'],
})
const ended = once(agent, 'exit')
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) process.once(signal, () => agent.kill('SIGKILL'))
const lines = createInterface(agent.stdout)
const port = await new Promise((resolve, reject) => {
  void ended.then(() => reject(new Error('the agent ended at once')))
  lines.on('line', (line) => {
    const { msg, console: address } = JSON.parse(line)
    if (msg === 'server listening') resolve(new URL(address).port)
  })
})

console.error(`${addresses.length} peers, every ${values.interval}, for ${values.duration} …`)
const startMs = performance.now()
const cpuBeforeMs = await cpuMs()
await Promise.race([sleep(durationMs, undefined, { ref: false }), ended])
const tookMs = performance.now() - startMs
const cpuTookMs = (await cpuMs()) - cpuBeforeMs
const memory = await memoryKib()
/** @type {import('@scout/core').Row} */
const { series, durations, schedule, setAside, held, vantages } = JSON.parse(
  await (await fetch(`http://${agentAddress}:${port}/api/v1/snapshot`)).text(),
)
const endMs = performance.now()
agent.kill('SIGTERM')
const [code] = await ended
const endTookMs = performance.now() - endMs
await Promise.all([http, ...udp, dns].map((responder) => responder.close()))
await rm(folder, { recursive: true })

const attempts = sum(series.map(attemptsIn))
const lost = attempts - sum(series.map(({ total }) => total.passed))
// Those under way when the snapshot was taken are not lost, and have not ended.
const unaccounted = schedule.started - schedule.lost - schedule.inFlight - attempts - setAside - held
const rounds = Math.floor(durationMs / intervalMs) - 1
const behind = series.filter((one) => attemptsIn(one) < rounds)

printTable([
  ['peers', addresses.length],
  ['series', series.length],
  ['attempts', attempts],
  ['attempts a second', (attempts / tookMs) * 1000, '/s'],
  ['late by more than an interval', schedule.late],
  ['left out', schedule.skipped],
  ['failed', lost],
  ['answers nobody waited for', sum(vantages.flatMap(({ strays }) => Object.values(strays).flatMap(Object.values)))],
  ...[...new Set(series.map(({ check }) => check))].map((check) => meanOf(check)),
  ['resident memory', memory.VmRSS / 1024, 'MiB'],
  ['resident memory at its peak', memory.VmHWM / 1024, 'MiB'],
  ['processor time', (cpuTookMs / tookMs) * 100, '% of a core'],
  ['processor time of an attempt', (cpuTookMs / attempts) * 1000, 'µs'],
  ['end after SIGTERM', endTookMs, 'ms'],
])

const faults = [
  schedule.late > 0 && `${schedule.late} runs began more than an interval late`,
  schedule.skipped > 0 && `${schedule.skipped} runs were left out`,
  lost > 0 && `${lost} attempts failed: ${reasonsIn(series)}`,
  unaccounted !== 0 && `${unaccounted} runs left no result`,
  behind.length > 0 && `${behind.length} series have fewer than ${rounds} attempts`,
  code !== 0 && `the agent ended with ${code}`,
  endTookMs > 5_000 && 'the agent took more than 5 s to end',
].filter((fault) => fault !== false)
for (const fault of faults) console.error(fault)
process.exitCode = faults.length === 0 ? 0 : 1

/** @param {readonly (readonly [what: string, value: number, unit?: string])[]} rows */
function printTable(rows) {
  for (const [what, value, unit = ''] of rows) {
    const text = value.toLocaleString('en-US', { maximumFractionDigits: 1 })
    console.log(`${what.padEnd(32)}${text.padStart(10)} ${unit}`.trimEnd())
  }
}

/**
 * @param {string} check
 * @returns {readonly [string, number, string]}
 */
function meanOf(check) {
  const all = durations.filter((one) => one.check === check)
  const meanNs = sum(all.map(({ sumNs }) => sumNs)) / sum(all.flatMap(({ counts }) => counts))
  return [`mean duration of ${check}`, meanNs / 1e3, 'µs']
}

/** @param {import('@scout/core').SeriesReport} series */
function attemptsIn({ total: { passed, reasons } }) {
  return passed + sum(Object.values(reasons))
}

/** Processor time of the agent so far. Linux counts it in hundredths of a second for every process that reads it (proc(5)). */
async function cpuMs() {
  const stat = await readFile(`/proc/${agent.pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

async function memoryKib() {
  const status = await readFile(`/proc/${agent.pid}/status`, 'utf8')
  const kib = (/** @type {string} */ name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1])
  return { VmRSS: kib('VmRSS'), VmHWM: kib('VmHWM') }
}

/** @param {readonly import('@scout/core').SeriesReport[]} all */
function reasonsIn(all) {
  const reasons = all.flatMap(({ check, total }) => Object.keys(total.reasons).map((reason) => `${check} ${reason}`))
  return [...new Set(reasons)].join(', ')
}

/** @param {readonly number[]} numbers */
function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0)
}

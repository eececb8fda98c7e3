import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import type { Blackbox } from '../stage/blackbox.ts'
import { temporaryFolder } from '../stage/folder.ts'
import { ports } from '../stage/ports.ts'
import { run, sleep } from '../stage/tool.ts'
import type { Sample } from './sample.ts'

/** How often and how fast a tool is to probe one target. */
export interface Pace {
  readonly count: number
  readonly intervalMs: number
}

/** iputils ping, by what it prints of each answer. */
export async function ping(address: string, { count, intervalMs }: Pace): Promise<readonly Sample[]> {
  const { stdout } = await run(['ping', '-n', '-c', `${count}`, '-i', `${intervalMs / 1000}`, address], {
    expected: [0, 1],
  })
  const timesMs = new Map<number, number>()
  for (const { groups } of stdout.matchAll(/icmp_seq=(?<sequence>\d+) .*time=(?<ms>[\d.]+) ms/g))
    timesMs.set(Number(groups?.['sequence']), Number(groups?.['ms']))
  return Array.from({ length: count }, (_, i) => roundTrip(address, timesMs.get(i + 1)))
}

/** fping, each round of all addresses as fast as it can. */
export async function fping(addresses: readonly string[], { count, intervalMs }: Pace): Promise<readonly Sample[]> {
  const pace = ['-C', `${count}`, '-p', `${intervalMs}`, '-i', addresses.length > 1 ? '0' : '1']
  const { stderr } = await run(['fping', '-q', ...pace, ...addresses], { expected: [0, 1] })
  const rows = new Map<string, readonly number[]>()
  for (const { groups } of stderr.matchAll(/^(?<address>\S+) +: (?<times>[-\d. ]+)$/gm))
    rows.set(groups?.['address'] ?? '', (groups?.['times'] ?? '').trim().split(' ').map(Number))
  return Array.from({ length: count }, (_, burst) =>
    addresses.map((address) => roundTrip(address, rows.get(address)?.[burst])),
  ).flat()
}

/** Not a number is an answer that did not come. */
function roundTrip(to: string, ms: number | undefined): Sample {
  return { to, timesNs: ms === undefined || Number.isNaN(ms) ? {} : { 'round trip': ms * 1e6 } }
}

/** dig, which asks for one name after another, as soon as it has the answer. */
export async function dig(name: string, server: string, { count }: Pace): Promise<readonly Sample[]> {
  const names = join(temporaryFolder(), 'names')
  await writeFile(names, `${name}\n`.repeat(count))
  const { stdout } = await run(['dig', '-u', `@${server}`, '+tries=1', '+noall', '+stats', '-f', names])
  const times = [...stdout.matchAll(/Query time: (?<us>\d+) usec/g)].map(({ groups }) => Number(groups?.['us']))
  return times.map((us) => ({ to: server, timesNs: { 'round trip': us * 1000 } }))
}

/** irtt, whose round trip is without the time that its server says the request spent there. */
export async function irtt(address: string, { count, intervalMs }: Pace): Promise<readonly Sample[]> {
  const duration = ['-i', `${intervalMs}ms`, '-d', `${count * intervalMs}ms`]
  const { stdout } = await run(['irtt', 'client', ...duration, '-Q', '-o', '-', `${address}:${ports.irtt}`])
  const { round_trips: trips } = irttReport.parse(JSON.parse(stdout))
  return trips.map(({ delay }) => ({
    to: address,
    timesNs: delay.rtt === undefined ? {} : { 'round trip': delay.rtt },
  }))
}

const irttReport = z.object({ round_trips: z.array(z.object({ delay: z.object({ rtt: z.number().optional() }) })) })

/** sockperf, whose round trip includes the time at its server. It leaves out what it sent in its first 400 ms and its last 50. */
export async function sockperf(address: string, { count, intervalMs }: Pace): Promise<readonly Sample[]> {
  const log = join(temporaryFolder(), 'sockperf.log')
  const seconds = Math.round((count * intervalMs) / 1000 + 0.5)
  const pace = ['-t', `${seconds}`, '--mps', `${Math.round(1000 / intervalMs)}`]
  const to = ['-i', address, '-p', `${ports.sockperf}`]
  const { stdout } = await run(['sockperf', 'ping-pong', ...to, ...pace, '--full-rtt', '--full-log', log])
  if (!stdout.includes('# dropped messages = 0;')) throw new Error('sockperf calls messages dropped')
  const rows = (await readFile(log, 'utf8')).matchAll(/^\d+, (?<sent>[\d.]+), [\d.]+, (?<us>[\d.]+)$/gm)
  return Array.from(rows, ({ groups }) => ({
    to: address,
    sentNs: Number(groups?.['sent']) * 1e9,
    timesNs: { 'round trip': Number(groups?.['us']) * 1000 },
  }))
}

export async function curl(address: string, { count, intervalMs }: Pace): Promise<readonly Sample[]> {
  const format =
    '{"connected":%{time_connect},"asking":%{time_pretransfer},"answered":%{time_starttransfer},"done":%{time_total}},'
  const rate = ['--rate', `${Math.round(1000 / intervalMs)}/s`]
  const quiet = ['-s', '-o', '/dev/null', '-w', format, '-H', 'Connection: close']
  const { stdout } = await run(['curl', ...quiet, ...rate, `http://${address}/?[1-${count}]`])
  const second = z.number()
  const rows = z
    .array(z.object({ connected: second, asking: second, answered: second, done: second }))
    .parse(JSON.parse(`[${stdout.slice(0, -1)}]`))
  return rows.map(({ connected, asking, answered, done }) => ({
    to: address,
    timesNs: {
      connect: connected * 1e9,
      'first byte': (answered - asking) * 1e9,
      transfer: (done - answered) * 1e9,
      total: done * 1e9,
    },
  }))
}

/** blackbox_exporter's phases of HTTP; its TCP prober reports only a total. */
export async function blackboxHttp(
  blackbox: Blackbox,
  address: string,
  { count, intervalMs }: Pace,
): Promise<readonly Sample[]> {
  const samples: Sample[] = []
  for (let i = 0; i < count; i++) {
    const metrics = await blackbox.probe('http', `http://${address}/`)
    samples.push({ to: address, timesNs: metrics === undefined ? {} : phasesOf(metrics) })
    await sleep(intervalMs)
  }
  return samples
}

function phasesOf(metrics: ReadonlyMap<string, number>): Sample['timesNs'] {
  const ns = (phase: string) => (metrics.get(`probe_http_duration_seconds{phase="${phase}"}`) ?? 0) * 1e9
  const [connect, processing, transfer] = [ns('connect'), ns('processing'), ns('transfer')]
  return { connect, 'first byte': processing, transfer, total: connect + processing + transfer }
}

/** Compiles the client of `httptrace/` and returns the path of the program. */
export async function buildHttptrace(go: string): Promise<string> {
  const program = join(temporaryFolder(), 'httptrace')
  await run([go, 'build', '-o', program, '.'], { cwd: fileURLToPath(new URL('../../httptrace', import.meta.url)) })
  return program
}

export async function httptrace(
  program: string,
  address: string,
  { count, intervalMs }: Pace,
): Promise<readonly Sample[]> {
  const { stdout } = await run([program, `http://${address}/`, `${count}`, `${intervalMs}ms`])
  const ns = z.number()
  const rows = z.array(z.object({ connect: ns, firstByte: ns, transfer: ns, total: ns })).parse(JSON.parse(stdout))
  return rows.map(({ firstByte, ...others }) => ({ to: address, timesNs: { ...others, 'first byte': firstByte } }))
}

import { z } from 'zod'
import type { Blackbox } from '../stage/blackbox.ts'
import type { Host } from '../stage/host.ts'
import { ports } from '../stage/ports.ts'
import { runProgram } from '../stage/tool.ts'
import { usageOfCommand, usageOfProcess } from './processes.ts'

/** One tool, saturated with one kind of probe. */
export interface Cell {
  readonly tool: string
  readonly what: string
  /** The program it runs, where that is one of the machine's. */
  readonly command?: string
  measure(): Promise<Cost>
}

export interface Cost {
  /** Of one probe. */
  readonly cpuUs: number
  readonly residentMb: number
  readonly probes: number
  readonly failed: number
}

/**
 * Probes under way at a time. Of packets so many that the prober never waits; fping has fewer under way here, where an answer is there
 * before the next request is out. Of connections as many as blackbox_exporter is asked for at a time.
 */
const packetsAtOnce = 32
const connectionsAtOnce = 8

export function cellsOf({
  host,
  blackbox,
}: {
  readonly host: Host
  readonly blackbox: Blackbox | undefined
}): readonly Cell[] {
  const { addresses } = host
  const at = (port: number) => addresses.map((address) => `${address}:${port}`)
  const urls = addresses.map((address) => `http://${address}/`)
  const rounds = { repeats: true, atOnce: 0, warmup: 50_000 }
  const packets = { repeats: false, atOnce: packetsAtOnce, warmup: 100_000 }
  const connections = { repeats: false, atOnce: connectionsAtOnce, warmup: 2_000 }
  return [
    scout('icmp', { targets: addresses, ...rounds, count: 100_000 }),
    fping(addresses, 130),
    floodPing(host.address, 100_000),
    scout('syn', { targets: at(ports.http), ...rounds, count: 30_000 }),
    // A responder over UDP answers from one address only, and is saturated first.
    scout('udp', { targets: [`${host.address}:${ports.udp}`], ...rounds, warmup: 2_000, count: 5_000 }),
    scout('dns', { targets: [`bench.test@${host.address}`], ...packets, count: 20_000 }),
    scout('tcp', { targets: at(ports.http), ...connections, count: 10_000 }),
    scout('http', { targets: urls, ...connections, count: 5_000 }),
    ...(blackbox === undefined
      ? []
      : [
          throughBlackbox(blackbox, 'icmp', addresses),
          throughBlackbox(blackbox, 'tcp', at(ports.http)),
          throughBlackbox(blackbox, 'http', urls),
        ]),
  ]
}

interface ScoutRequest {
  readonly targets: readonly string[]
  readonly repeats: boolean
  readonly atOnce: number
  readonly warmup: number
  readonly count: number
}

const costSchema = z.object({ cpuUs: z.number(), residentMb: z.number(), failed: z.number() })

function scout(protocol: string, request: ScoutRequest): Cell {
  const measure = async () => {
    const cost = costSchema.parse(await runProgram('cost/scout.ts', { protocol, ...request }))
    return { ...cost, probes: request.count }
  }
  return { tool: 'scout', what: protocol, measure }
}

/** As fast as it can, without pauses; it ends when it has used up the 65,536 numbers that ICMP has for requests. */
function fping(addresses: readonly string[], rounds: number): Cell {
  const probes = addresses.length * rounds
  const measure = async () => {
    const { words, cpuUs, residentMb } = await usageOfCommand([
      'fping',
      '-q',
      '-i',
      '0',
      '-p',
      '1',
      '-c',
      `${rounds}`,
      ...addresses,
    ])
    return { cpuUs: cpuUs / probes, residentMb, probes, failed: probes - sumOf(words, / = \d+\/(?<number>\d+)\//g) }
  }
  return { tool: 'fping', what: 'icmp', command: 'fping', measure }
}

function floodPing(address: string, probes: number): Cell {
  const measure = async () => {
    const { words, cpuUs, residentMb } = await usageOfCommand(['ping', '-f', '-q', '-c', `${probes}`, address])
    const failed = probes - sumOf(words, /(?<number>\d+) received/g)
    return { cpuUs: cpuUs / probes, residentMb, probes, failed }
  }
  return { tool: 'ping -f', what: 'icmp', command: 'ping', measure }
}

function sumOf(words: string, pattern: RegExp): number {
  return [...words.matchAll(pattern)].reduce((sum, { groups }) => sum + Number(groups?.['number']), 0)
}

/** Includes its HTTP endpoint, because that is how it is used: each request is answered with metrics. */
function throughBlackbox(blackbox: Blackbox, module: 'icmp' | 'tcp' | 'http', targets: readonly string[]): Cell {
  const probe = async (probes: number) => {
    let [begun, failed] = [0, 0]
    const lane = async () => {
      while (begun < probes) {
        const metrics = await blackbox.probe(module, targets[begun++ % targets.length] ?? '')
        if (metrics === undefined) failed++
      }
    }
    await Promise.all(Array.from({ length: connectionsAtOnce }, lane))
    return failed
  }
  const measure = async () => {
    await probe(300)
    const probes = 3_000
    const before = usageOfProcess(blackbox.pid)
    const failed = await probe(probes)
    const after = usageOfProcess(blackbox.pid)
    return { cpuUs: (after.cpuUs - before.cpuUs) / probes, residentMb: after.residentMb, probes, failed }
  }
  return { tool: 'blackbox', what: module, measure }
}

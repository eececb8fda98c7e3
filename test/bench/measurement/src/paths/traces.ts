import { z } from 'zod'
import type { Network } from './network.ts'
import { scoutProbe, type Tool } from './tool.ts'

/** A way to trace a path. */
interface Tracer extends Omit<Tool, 'state' | 'answersOf'> {
  readonly what: 'one flow' | 'four flows'
  /** Returns the addresses of each hop, of each flow or of all; none for silent ones. */
  readonly hopsOf: (output: string) => readonly (readonly (readonly string[])[])[]
}

const localPorts = [40_001, 40_002, 40_003, 40_004]

/** Runs a command for each flow, with its local port in `$port`, all at once, and prints what they print one after the other. */
function forEachFlow(command: string): readonly string[] {
  const all = `for port in ${localPorts.join(' ')}; do ${command} >$port & done; wait; cat *`
  return ['sh', '-ec', `cd "$(mktemp -d)"; ${all}; rm -r "$PWD"`]
}

const mtr = 'mtr -n --json -c 1 -i 0.1 -G 1'
const scamper = 'scamper -O json -p 1000'

/**
 * All over UDP, with one packet to each hop and flow; MDA sends as many flows as make it sure of all ways. The others have the fastest
 * settings with which they wait for a second, as Scout does: no second attempt, short intervals, and a process for each flow.
 */
const tracers: readonly Tracer[] = [
  {
    tool: 'scout',
    what: 'one flow',
    argv: (target) => [...scoutProbe, ...`trace ${target} -c 1 --json --transport udp`.split(' ')],
    hopsOf: scoutHops,
  },
  {
    tool: 'mtr',
    command: 'mtr',
    what: 'one flow',
    argv: (target) => [...mtr.split(' '), '-u', target],
    hopsOf: mtrHops,
  },
  {
    tool: 'scamper',
    command: 'scamper',
    what: 'one flow',
    argv: (target) => [...scamper.split(' '), '-I', `trace -P udp-paris -w 1 -q 1 ${target}`],
    hopsOf: scamperHops,
  },
  {
    tool: 'scout',
    what: 'four flows',
    argv: (target) => [...scoutProbe, ...`trace ${target} -c 1 --json --transport udp --flows 4`.split(' ')],
    hopsOf: scoutHops,
  },
  {
    tool: 'mtr',
    command: 'mtr',
    what: 'four flows',
    argv: (target) => forEachFlow(`${mtr} -u -P 33434 -L $port ${target}`),
    hopsOf: mtrHops,
  },
  {
    tool: 'scamper',
    command: 'scamper',
    what: 'four flows',
    argv: (target) => forEachFlow(`${scamper} -I "trace -P udp-paris -w 1 -q 1 -s $port ${target}"`),
    hopsOf: scamperHops,
  },
  {
    tool: 'scamper MDA',
    command: 'scamper',
    what: 'four flows',
    argv: (target) => [...scamper.split(' '), '-I', `tracelb -P udp-sport -w 1 -W 15 -q 1 ${target}`],
    hopsOf: mdaHops,
  },
]

export const traces: readonly Tool[] = tracers.map(({ hopsOf, ...tracer }) => ({
  ...tracer,
  state: 'wide',
  answersOf: (output, network) => hopsOf(output).map((hops) => isPath(hops, network)),
}))

/** Index of the hop that does not answer everyone. */
const limitedHop = 3

/** Whether these are the hops of the path. Which of several flows the limited hop answers is chance. */
function isPath(found: readonly (readonly string[])[], { hops }: Network): boolean {
  return (
    found.length === hops.length &&
    hops.every((addresses, index) => {
      const answered = found[index] ?? []
      if (answered.length === 0) return addresses === undefined || index === limitedHop
      return answered.every((address) => addresses?.includes(address) === true)
    })
  )
}

const scoutResult = z.object({
  detail: z.object({
    flows: z.array(z.object({ hops: z.array(z.object({ from: z.array(z.object({ address: z.string() })) })) })),
  }),
})

function scoutHops(output: string) {
  return scoutResult
    .parse(JSON.parse(output))
    .detail.flows.map(({ hops }) => hops.map(({ from }) => from.map(({ address }) => address)))
}

const mtrReport = z.object({ report: z.object({ hubs: z.array(z.object({ host: z.string() })) }) })

/** One report after the other, each an object over several lines. */
function mtrHops(output: string) {
  return output.split(/^(?=\{)/m).map((report) => {
    const { hubs } = mtrReport.parse(JSON.parse(report)).report
    return hubs.map(({ host }) => (host === '???' ? [] : [host]))
  })
}

const scamperTrace = z.object({
  type: z.literal('trace'),
  hop_count: z.number(),
  hops: z.array(z.object({ addr: z.string(), probe_ttl: z.number() })),
})

function scamperHops(output: string) {
  return linesOf(output, scamperTrace).map(({ hops, hop_count: count }) =>
    Array.from({ length: count }, (_, hop) => [
      ...new Set(hops.flatMap(({ addr, probe_ttl: ttl }) => (ttl === hop + 1 ? [addr] : []))),
    ]),
  )
}

const scamperWays = z.object({
  type: z.literal('tracelb'),
  nodes: z.array(
    z.object({
      addr: z.string(),
      /** What is one hop further, two, and so on up to the next that answers. */
      links: z.array(z.array(z.object({ addr: z.string() }))).optional(),
    }),
  ),
})

function mdaHops(output: string) {
  return linesOf(output, scamperWays).map(({ nodes }) => {
    const hops: Set<string>[] = []
    const put = (hop: number, address: string) => {
      hops[hop] ??= new Set()
      if (address !== '*') hops[hop].add(address)
    }
    // Nodes are listed in the order of the way.
    for (const { addr, links = [] } of nodes) {
      const found = hops.findIndex((hop) => hop?.has(addr))
      const at = found < 0 ? 0 : found
      put(at, addr)
      for (const [beyond, next] of links.entries()) for (const each of next) put(at + 1 + beyond, each.addr)
    }
    return hops.map((hop) => [...hop])
  })
}

function linesOf<T>(output: string, schema: z.ZodType<T>): readonly T[] {
  return output
    .trim()
    .split('\n')
    .flatMap((line) => {
      const parsed = schema.safeParse(JSON.parse(line))
      return parsed.success ? [parsed.data] : []
    })
}

import {
  formatHostPort,
  type HopAnswers,
  isResultOf,
  type Result,
  type ResultOf,
  type TraceDetail,
  type TraceFlow,
  type TraceHop,
} from '@scout/core'
import type { Output } from '../shell/io.ts'
import { failureText } from './failure.ts'
import type { Report } from './report.ts'
import { type Cell, type Column, renderTable } from './table.ts'
import { fold, roundedDuration, roundedPercent } from './words.ts'

interface TraceRequest {
  readonly target: string
  /** The one of several addresses that is traced. */
  readonly address?: string
}

/** What of an output a trace needs. */
type Paper = Pick<Output, 'write' | 'columns' | 'colours'>

/** Prints a trace like mtr: a line for each hop and way, and what it says below. */
export function createTraceReport(out: Paper, { target, address }: TraceRequest): Report {
  const line = (text: string) =>
    out.write(`${fold(text, out.columns ?? Number.POSITIVE_INFINITY, '    ').join('\n')}\n`)
  return {
    begin: () => line(`trace of ${target}${address === undefined ? '' : ` at ${address}`}`),
    attempt(result) {
      if (!isResultOf('trace', result)) return
      const { flows = [], transport } = result.detail ?? {}
      if (transport !== undefined) line(plan({ flows, transport }))
      if (flows.some(({ hops }) => hops.length > 0)) {
        out.write(`\n${renderTable(columnsOf(flows), rowsOf(flows, out), out.columns)}\n`)
      }
      for (const text of verdict(result, out)) line(text)
    },
    stray() {},
    end() {},
  }
}

function plan({ flows, transport }: Pick<TraceDetail, 'flows' | 'transport'>): string {
  const packets = { icmp: 'ICMP echo requests', udp: 'UDP datagrams', tcp: 'TCP SYNs' }[transport]
  const ports = flows.flatMap(({ sourcePort }) => (sourcePort === undefined ? [] : [sourcePort]))
  const from = ports.length === 0 ? '' : ` from port${ports.length === 1 ? '' : 's'} ${ports.join(', ')}`
  return `${packets}, ${counted(flows.length, 'flow')}${from}`
}

const columns: readonly Column[] = [
  { title: 'HOP', align: 'right' },
  { title: 'ADDRESS', align: 'left' },
  { title: 'FLOWS', align: 'left' },
  { title: 'LOSS', align: 'right' },
  { title: 'SENT', align: 'right' },
  { title: 'BEST', align: 'right' },
  { title: 'MEDIAN', align: 'right' },
  { title: 'WORST', align: 'right' },
  { title: '', align: 'left' },
]

function columnsOf(flows: readonly TraceFlow[]): readonly Column[] {
  return columns.filter(({ title }) => title !== 'FLOWS' || flows.length > 1)
}

/** The same hop of several flows with answers from the same addresses. */
interface Way {
  readonly flows: readonly number[]
  readonly hops: readonly TraceHop[]
}

function rowsOf(flows: readonly TraceFlow[], out: Paper): readonly (readonly Cell[])[] {
  const last = Math.max(...flows.map(({ hops }) => hops.findLast(({ returned }) => returned > 0)?.hop ?? 0))
  const asked = Math.max(...flows.map(({ hops }) => hops.at(-1)?.hop ?? 0))
  const rows: (readonly Cell[])[] = []
  for (let hop = 1; hop <= last; hop++) {
    for (const [index, way] of waysAt(hop, flows).entries())
      rows.push(...rowsOfWay(index === 0 ? String(hop) : '', way, { all: flows, out }))
  }
  if (asked > last) {
    const hops = flows.flatMap((flow) => flow.hops.filter(({ hop }) => hop > last))
    const name = asked === last + 1 ? String(asked) : `${last + 1}-${asked}`
    rows.push(...rowsOfWay(name, { flows: flows.map(({ flow }) => flow), hops }, { all: flows, out }))
  }
  return rows
}

function waysAt(hop: number, flows: readonly TraceFlow[]): readonly Way[] {
  const ways = new Map<string, { readonly flows: number[]; readonly hops: TraceHop[] }>()
  for (const { flow, hops } of flows) {
    const own = hops.find((each) => each.hop === hop)
    const last = hops.findLast(({ returned }) => returned > 0)?.hop ?? 0
    // Of a flow that ends in silence, one line is enough.
    if (own === undefined || hop > last + 1) continue
    const key = own.returned > 0 ? addressesOf(own) : hop > last ? 'lost' : 'forwarding'
    const way = ways.get(key) ?? { flows: [], hops: [] }
    ways.set(key, way)
    way.flows.push(flow)
    way.hops.push(own)
  }
  // Where only one address answers, it forwards the packets of the other flows, too, as far as anyone can see.
  const answered = [...ways].filter(([key]) => key !== 'lost' && key !== 'forwarding')
  const [only] = answered
  const silent = ways.get('forwarding')
  if (only === undefined || answered.length > 1 || silent === undefined) return [...ways.values()]
  const lost = ways.get('lost')
  const together = {
    flows: [...only[1].flows, ...silent.flows].toSorted((one, other) => one - other),
    hops: [...only[1].hops, ...silent.hops],
  }
  return lost === undefined ? [together] : [together, lost]
}

function addressesOf({ from }: TraceHop): string {
  return from
    .map(({ address }) => address)
    .toSorted()
    .join(', ')
}

/** Returns a row for each address of a way, the first of which has its loss. */
function rowsOfWay(
  name: string,
  { flows, hops }: Way,
  { all, out }: { readonly all: readonly TraceFlow[]; readonly out: Paper },
): readonly (readonly Cell[])[] {
  const { colours } = out
  const sent = sumOf(hops.map((hop) => hop.sent))
  const lossRatio = 1 - sumOf(hops.map(({ returned }) => returned)) / sent
  const addresses = [...new Set(hops.flatMap(({ from }) => from.map(({ address }) => address)))]
  const isForwarding = hops.every(({ forwards = true }) => forwards)
  const paint = lossRatio === 0 ? colours.green : isForwarding ? colours.dim : colours.red
  const which = flows.length === all.length ? 'all' : ranges(flows)
  const withFlows = (cells: readonly Cell[]) => cells.filter((_, index) => all.length > 1 || index !== 2)
  if (addresses.length === 0) {
    const remark = isForwarding ? 'silent, but forwards: later hops answer' : 'silent from here on'
    const cells = [name, '-', which, roundedPercent(lossRatio), String(sent), '', '', '', remark]
    return [withFlows(cells.map((text) => ({ text, paint })))]
  }
  return addresses.map((address, index) => {
    const answers = hops.flatMap(({ from }) => from.filter((each) => each.address === address))
    const times = answers.flatMap(({ timesNs }) => timesNs).toSorted((one, other) => one - other)
    const [best = 0, median = 0, worst = 0] = [0, 0.5, 1].map((share) => times[Math.floor((times.length - 1) * share)])
    const limits = index === 0 && lossRatio > 0 && isForwarding ? ['limits its answers: later hops lose less'] : []
    return withFlows([
      { text: index === 0 ? name : '' },
      { text: address },
      { text: index === 0 ? which : '' },
      { text: index === 0 ? roundedPercent(lossRatio) : '', paint },
      { text: index === 0 ? String(sent) : '' },
      { text: roundedDuration(best) },
      { text: roundedDuration(median) },
      { text: roundedDuration(worst) },
      { text: [...limits, ...remarksOn(answers)].join('; ') },
    ])
  })
}

function remarksOn(answers: readonly HopAnswers[]): readonly string[] {
  const one = answers.find(({ icmp }) => icmp?.reason !== undefined) ?? answers[0]
  const { icmp, isTarget = false } = one ?? {}
  const mtus = [...new Set(answers.flatMap(({ mtu }) => (mtu === undefined ? [] : [mtu])))]
  const stacks = [...new Set(answers.flatMap(({ labels }) => (labels === undefined ? [] : [stackText(labels)])))]
  return [
    ...(isTarget ? ['target'] : []),
    ...(icmp?.reason === undefined ? [] : [`ICMP ${icmp.type}/${icmp.code}: ${icmp.reason}`]),
    ...mtus.map((mtu) => `MTU of the next hop ${mtu} bytes`),
    ...stacks,
  ]
}

function stackText(labels: NonNullable<HopAnswers['labels']>): string {
  return `MPLS ${labels.map(({ label, trafficClass, ttl }) => `${label} (class ${trafficClass}, TTL ${ttl})`).join(', ')}`
}

function verdict(result: ResultOf<'trace'>, { colours }: Paper): readonly string[] {
  const { flows = [] } = result.detail ?? {}
  const sent = result.packets?.sent ?? 0
  const packets = `${counted(sent, 'packet')} in ${roundedDuration(result.totalNs)}`
  if (!result.ok) return [failureText(result.failure, { paint: colours.red }), ...(sent === 0 ? [] : [packets])]
  const lengths = flows.filter(({ isReached }) => isReached).map(({ hops }) => hops.at(-1)?.hop ?? 0)
  const [shortest, longest] = [Math.min(...lengths), Math.max(...lengths)]
  const away = shortest === longest ? counted(shortest, 'hop') : `${shortest} to ${counted(longest, 'hop')}`
  return [`${colours.green(`${endpointOf(result)} is ${away} away`)}; ${packets}`, ...lostTexts(flows).map(colours.red)]
}

/** Some of several flows without an answer are ways that lose packets, which applications meet now and then. */
function lostTexts(flows: readonly TraceFlow[]): readonly string[] {
  const byPlace = new Map<string, TraceFlow[]>()
  for (const flow of flows) {
    if (flow.isReached) continue
    const where = placeText(flow.hops)
    byPlace.set(where, [...(byPlace.get(where) ?? []), flow])
  }
  return [...byPlace].map(([where, lost]) => {
    const ports = lost.flatMap(({ sourcePort }) => (sourcePort === undefined ? [] : [sourcePort]))
    const from = ports.length === 0 ? '' : ` (from port${ports.length === 1 ? '' : 's'} ${ports.join(', ')})`
    const numbers = lost.map(({ flow }) => flow)
    const who = numbers.length === 1 ? `flow ${numbers.join()} does` : `flows ${ranges(numbers)} do`
    return `${who} not reach it${from}: ${where}`
  })
}

function placeText(hops: readonly TraceHop[]): string {
  const last = hops.findLast(({ returned }) => returned > 0)
  if (last === undefined) return 'no hop answers'
  const addresses = addressesOf(last)
  const icmp = last.from.find((each) => each.icmp?.says !== undefined)?.icmp
  if (icmp === undefined) return `the last hop that answers is ${last.hop}, ${addresses}`
  return `${addresses} answers as hop ${last.hop} with ICMP ${icmp.type}/${icmp.code} (${icmp.says})`
}

/** Returns `1-3 5` for 1, 2, 3 and 5. */
function ranges(numbers: readonly number[]): string {
  const runs: { first: number; last: number }[] = []
  for (const number of numbers) {
    const run = runs.at(-1)
    if (run?.last === number - 1) run.last = number
    else runs.push({ first: number, last: number })
  }
  return runs.map(({ first, last }) => (first === last ? String(first) : `${first}-${last}`)).join(' ')
}

function endpointOf({ endpoint, target }: Result): string {
  if (endpoint === undefined) return target
  return endpoint.port === undefined ? endpoint.address : formatHostPort(endpoint.address, endpoint.port)
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0)
}

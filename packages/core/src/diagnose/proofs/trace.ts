import type { TraceFlow } from '../../probes/hops.ts'
import type { AnyResult } from '../../probes/index.ts'
import type { TraceDetail } from '../../probes/trace.ts'
import { quantileOf } from '../detect/baseline.ts'
import { failureIn, type Proof, type ProofAttempt, packetsSent } from './proof.ts'

const flows = 8

/** Protocols of checks whose packets a trace sends, too. */
const transports: Readonly<Record<string, string>> = { tcp: 'tcp', syn: 'tcp', http: 'tcp', icmp: 'icmp' }

const extent = { count: 3, intervalMs: 100, waitMs: 500, maxHops: 16, timeoutMs: 10_000 } as const

/** Where packets of the protocol that fails get lost. Its outcome is told and not counted: routers need not answer. */
export const trace: Proof = {
  summary: `find the last router that answers to packets of the protocol that fails, in ${flows} flows unless that is UDP`,
  rounds: 1,
  attempts: (protocol) => [protocol === 'udp' ? byDatagrams : inFlows(transports[protocol] ?? 'any')],
  read(results) {
    const packets = packetsSent(results)
    const detail = results.map(detailOf).find((one) => one.flows !== undefined)
    if (detail?.flows === undefined || detail.transport === undefined)
      return { says: failureIn(results), packets, values: {} }
    const { transport } = detail
    const over = transport === 'udp' ? 'udp to a port where nothing listens' : transport
    return {
      says: `${textOf(detail.flows)}, over ${over}`,
      packets,
      values: { transport, ways: detail.flows.map(wayOf) },
    }
  },
}

function inFlows(transport: string): ProofAttempt {
  return { protocol: 'trace', options: { ...extent, transport, flows } }
}

/** Responders do not answer what is no packet of STAMP. For a port where nothing listens, Linux sends six ICMP errors at once and then one a second. */
const byDatagrams: ProofAttempt = {
  protocol: 'trace',
  options: { ...extent, transport: 'udp', flows: 1 },
  isWithoutPort: true,
}

/** Returns the way of one flow: who answers at each hop, how soon, and to how many packets. */
function wayOf({ sourcePort, isReached, hops }: TraceFlow) {
  return {
    ...(sourcePort === undefined ? {} : { sourcePort }),
    isReached,
    hops: hops.map(({ hop, sent, returned, from }) => ({
      hop,
      sent,
      returned,
      from: from.map(({ address, isTarget, timesNs }) => ({ address, isTarget, medianNs: quantileOf(timesNs, 0.5) })),
    })),
  }
}

function routersOf({ hops }: Pick<TraceFlow, 'hops'>): readonly { readonly hop: number; readonly address: string }[] {
  return hops.flatMap(({ hop, from }) => from.flatMap(({ address, isTarget }) => (isTarget ? [] : [{ hop, address }])))
}

function textOf(all: readonly TraceFlow[]): string {
  const lost = all.filter(({ isReached }) => !isReached)
  if (lost.length === 0) {
    const routers = [...new Set(all.flatMap((flow) => routersOf(flow).map(({ address }) => address)))]
    const by = routers.length === 0 ? 'and no router answers' : `by way of ${routers.join(', ')}`
    return `${all.length === 1 ? 'packets' : `all ${all.length} flows`} arrive, ${by}`
  }
  // Routers limit how often they answer, so that some flows show fewer of them.
  const last = lost.flatMap(routersOf).toSorted((a, b) => b.hop - a.hop)[0]
  const where =
    last === undefined
      ? 'before any router answers'
      : `after ${last.address} (hop ${last.hop}), the last router that answers`
  return `${subjectOf(lost, all.length)} lost ${where}`
}

function subjectOf(lost: readonly TraceFlow[], count: number): string {
  if (lost.length === count) return count === 1 ? 'packets are' : `all ${count} flows are`
  const ports = lost.flatMap(({ sourcePort }) => sourcePort ?? [])
  const which = ports.length === 0 ? '' : ` (source port${ports.length === 1 ? '' : 's'} ${ports.join(', ')})`
  return `${lost.length} of ${count} flows${which} ${lost.length === 1 ? 'is' : 'are'}`
}

function detailOf(result: AnyResult): Partial<TraceDetail> {
  return result.protocol === 'trace' ? (result.detail ?? {}) : {}
}

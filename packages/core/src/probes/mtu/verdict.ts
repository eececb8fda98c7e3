import type { Family } from '../../model/endpoint.ts'
import type { IcmpError } from '../../model/failure.ts'
import type { Limit, TcpFacts } from './directions.ts'
import { smallestIpv6Mtu } from './search.ts'
import type { NoWay } from './ways.ts'

/** What is known of a path. All sizes are those of whole IP packets, in bytes. */
export interface MtuFacts {
  readonly target: string
  readonly family: Family
  readonly pathMtu: number
  readonly interfaceMtu: number
  readonly knownMtu: number
  readonly forward: Limit
  readonly back?: Limit
  /** Whether answers had the size of requests. */
  readonly isRoundTrip: boolean
  readonly reports: readonly IcmpError[]
}

export type MtuVerdict = 'full' | 'reported' | 'black-hole'

export function isHole({ passes, fails }: Limit): boolean {
  return fails !== undefined && fails > passes
}

/** Says in one sentence what senders on the path experience. */
export function sentenceOf(verdict: MtuVerdict, facts: MtuFacts): string {
  switch (verdict) {
    case 'full':
      return fullText(facts)
    case 'reported':
      return reportedText(facts)
    case 'black-hole':
      return holeText(facts)
  }
}

function fullText({ target, interfaceMtu, knownMtu, isRoundTrip }: MtuFacts): string {
  const where = isRoundTrip ? `to and from ${target}` : `to ${target}`
  const own =
    knownMtu < interfaceMtu
      ? `; but this host sends at most ${knownMtu} bytes there, because of a route, or of an ICMP error it received earlier`
      : ''
  return `packets of up to ${interfaceMtu} bytes pass ${where}: the path MTU is that of this host's interface${own}`
}

function reportedText({ target, family, pathMtu, interfaceMtu, reports }: MtuFacts): string {
  const who = reports.map((report) => reportText(report, family)).join(', ')
  return `packets of up to ${pathMtu} bytes pass to ${target}, of ${interfaceMtu} that this host's interface sends; larger ones are reported (${who}), so senders adapt${minimumText({ family, pathMtu })}`
}

/** `10.0.0.1 sends ICMP 3/4 "fragmentation needed", next-hop MTU 1400 bytes` */
function reportText({ from, type, code, mtu }: IcmpError, family: Family): string {
  const name = family === 'ipv4' ? 'fragmentation needed' : 'packet too big'
  return `${from} sends ICMP ${type}/${code} "${name}"${mtu === undefined ? ' without an MTU' : `, next-hop MTU ${mtu} bytes`}`
}

function holeText(facts: MtuFacts): string {
  const { family, pathMtu, reports } = facts
  const others =
    reports.length === 0
      ? ''
      : `; only others are reported (${reports.map((one) => reportText(one, family)).join(', ')})`
  return `${lostText(facts)}, and no router reports it${others}${minimumText({ family, pathMtu })}`
}

function lostText({ target, pathMtu, forward, back }: MtuFacts): string {
  const isLostBack = back !== undefined && isHole(back)
  if (isHole(forward) && isLostBack)
    return forward.passes === back.passes
      ? `${vanishText(forward)} on the way to ${target}, and on the way back`
      : `${vanishText(forward)} on the way to ${target}, and ${vanishText(back)} on the way back`
  if (isHole(forward)) return `${vanishText(forward)} on the way to ${target}${passText(back, forward.passes, 'back')}`
  if (isLostBack) return `${vanishText(back)} on the way back from ${target}${passText(forward, back.passes, 'to it')}`
  return `packets larger than ${pathMtu} bytes to ${target} vanish, or the answers to them do`
}

function vanishText({ passes, fails = passes + 1 }: Limit): string {
  if (fails === passes + 1) return `packets larger than ${passes} bytes vanish`
  return `packets vanish above a size between ${passes} and ${fails - 1} bytes`
}

function passText(limit: Limit | undefined, known: number, where: string): string {
  return limit !== undefined && limit.passes > known ? `, while ${limit.passes} bytes pass ${where}` : ''
}

function minimumText({ family, pathMtu }: Pick<MtuFacts, 'family' | 'pathMtu'>): string {
  return family === 'ipv6' && pathMtu < smallestIpv6Mtu
    ? `; IPv6 requires at least ${smallestIpv6Mtu} bytes of every link (RFC 8200), which no sender goes below`
    : ''
}

interface Gaps extends Pick<MtuFacts, 'forward' | 'back' | 'isRoundTrip'> {
  readonly verdict: MtuVerdict
  readonly tcp?: TcpFacts
  readonly missing: readonly NoWay[]
  /** Port of the target, if it has one. */
  readonly port: number | undefined
}

/** Says what could not be known, and what would tell. */
export function unknownOf({ verdict, forward, back, isRoundTrip, tcp, missing, port }: Gaps): readonly string[] {
  const means = missing.map(({ name, failure }) => `${name} was not used: ${failure.message}`)
  const way = isRoundTrip
    ? []
    : [
        'the way back was not tested, because only answers of a fixed size came: allow ICMP, or name the port of a Scout responder',
      ]
  const isHoleKnown = isHole(forward) || (back !== undefined && isHole(back))
  const direction =
    verdict === 'black-hole' && !isHoleKnown
      ? ['in which direction packets vanish, because the target does not answer datagrams to a closed port']
      : []
  const opposite =
    verdict === 'black-hole' &&
    isHole(forward) &&
    back !== undefined &&
    back.passes <= forward.passes &&
    tcp === undefined
      ? [
          `whether more than ${back.passes} bytes pass on the way back: name the port of a Scout responder (scout-probe serve)`,
        ]
      : []
  const transfers =
    port !== undefined && tcp === undefined
      ? [`whether TCP gets through: port ${port} does not answer HTTP as a Scout responder`]
      : []
  return [...means, ...way, ...direction, ...opposite, ...transfers]
}

import type { Family } from './endpoint.ts'
import { FailureError, type FailureReason, type IcmpError } from './failure.ts'

/** What an ICMP error says about the packet it quotes. Its `reason` determines what it blames. */
export interface IcmpMeaning {
  readonly reason: FailureReason
  /** Who sends such an error, and why: a clause for the end of a sentence. */
  readonly says: string
}

type Codes = Readonly<Record<number, IcmpMeaning>>

const noRoute: IcmpMeaning = { reason: 'unreachable', says: 'a router has no route to it' }
const noHost: IcmpMeaning = {
  reason: 'unreachable',
  says: 'no host answers at that address in its own network, as seen by the last router or by this host: it is down, or the address does not exist',
}
const noService: IcmpMeaning = {
  reason: 'unreachable',
  says: 'no route is offered for this type of service',
}
const filtered: IcmpMeaning = {
  reason: 'prohibited',
  says: 'a firewall or an access list rejects such packets: check firewall rules and network policies up to the sender of this error',
}
const refused: IcmpMeaning = {
  reason: 'refused',
  says: 'nothing is listening there, or a firewall rejects the port',
}
const tooBig: IcmpMeaning = {
  reason: 'too-big',
  says: 'a router cannot forward a packet of this size in one piece: choose a smaller payload, or correct the MTU of the path',
}
const expired: IcmpMeaning = {
  reason: 'expired',
  says: 'the packet crossed more routers than its TTL allows: look for a routing loop',
}
const incomplete: IcmpMeaning = {
  reason: 'expired',
  says: 'not all fragments of the packet arrived in time: fragments are lost or filtered on the path',
}
const malformed: IcmpMeaning = {
  reason: 'unreachable',
  says: 'the sender of this error cannot process the header of the packet: a device on the path alters packets or does not support them',
}
const sourceRoute: IcmpMeaning = { reason: 'unreachable', says: 'the route in the header of the packet failed' }

const unknown: IcmpMeaning = { reason: 'unreachable', says: 'an error of a kind that Scout does not know' }

/**
 * ICMP errors by type and code (RFC 792, RFC 1122 §3.2.2, RFC 1812 §5.2.7, RFC 4443 §3, RFC 8883; IANA icmp-parameters and
 * icmpv6-parameters). A type that is not listed is no error: its packet may still be answered.
 */
const meanings: Readonly<Record<Family, Readonly<Record<number, Codes>>>> = {
  ipv4: {
    3: {
      0: noRoute,
      1: noHost,
      2: { reason: 'unreachable', says: 'that host does not support the protocol, or a firewall rejects it' },
      3: refused,
      4: tooBig,
      5: sourceRoute,
      6: noRoute,
      7: noHost,
      8: { reason: 'unreachable', says: 'a router regards this host as isolated' },
      9: filtered,
      10: filtered,
      11: noService,
      12: noService,
      13: filtered,
      14: filtered,
      15: filtered,
    },
    11: { 0: expired, 1: incomplete },
    12: { 0: malformed, 1: malformed, 2: malformed },
  },
  ipv6: {
    1: {
      0: noRoute,
      1: filtered,
      2: { reason: 'unreachable', says: 'the source address of the packet is not valid beyond its own link or site' },
      3: noHost,
      4: refused,
      5: filtered,
      6: { reason: 'prohibited', says: 'a router has a route that rejects such packets' },
      7: sourceRoute,
      8: malformed,
    },
    2: { 0: tooBig },
    3: { 0: expired, 1: incomplete },
    4: Object.fromEntries(Array.from({ length: 11 }, (_, code) => [code, malformed])),
  },
}

/**
 * Returns the meaning of an ICMP message about a packet of this host; undefined if it is not an error. A redirect or source quench,
 * for example, does not end an attempt, because the packet was forwarded (RFC 792, RFC 6633).
 */
export function icmpMeaningOf(
  family: Family,
  { type, code }: Pick<IcmpError, 'type' | 'code'>,
): IcmpMeaning | undefined {
  const codes = meanings[family][type]
  if (codes !== undefined) return codes[code] ?? unknown
  // RFC 4443 §2.1: of ICMPv6, all types below 128 are errors.
  return family === 'ipv6' && type < 128 ? unknown : undefined
}

/** Returns the failure for an ICMP error about a packet to `address`. */
export function icmpFailure(
  icmp: IcmpError,
  { family, address }: { readonly family: Family; readonly address: string },
): FailureError {
  const { type, code, from, mtu } = icmp
  const { reason, says } = icmpMeaningOf(family, icmp) ?? unknown
  const isItself = withoutZone(from) === withoutZone(address)
  const who = isItself ? `${from} itself answered` : `${from} answered`
  const toWhat = isItself ? '' : ` to a packet for ${address}`
  const passes = mtu === undefined ? '' : `, next-hop MTU ${mtu} bytes`
  return new FailureError(reason, `${who} with ICMP type ${type} code ${code}${toWhat}${passes} (${says})`, {
    code: `ICMP ${type}/${code}`,
    icmp,
  })
}

function withoutZone(address: string): string {
  return address.split('%', 1)[0] ?? address
}

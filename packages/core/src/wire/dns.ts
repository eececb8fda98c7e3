import { isIPv4, isIPv6 } from 'node:net'
import { AUTHORITATIVE_ANSWER, decode, encode, RECURSION_DESIRED, TRUNCATED_RESPONSE } from 'dns-packet'

export const recordTypes = ['A', 'AAAA', 'SRV', 'PTR', 'TXT'] as const
/** Response codes of the header (RFC 1035 §4.1.1, RFC 2136 §2.2), with their IANA names. */
export const responseCodes = [
  'NOERROR',
  'FORMERR',
  'SERVFAIL',
  'NXDOMAIN',
  'NOTIMP',
  'REFUSED',
  'YXDOMAIN',
  'YXRRSET',
  'NXRRSET',
  'NOTAUTH',
  'NOTZONE',
] as const

export type RecordType = (typeof recordTypes)[number]

export interface DnsQuestion {
  /** 16 bits. */
  readonly id: number
  readonly name: string
  readonly type: RecordType
  readonly isRecursive: boolean
  /** Largest accepted UDP answer, announced with EDNS (RFC 6891 §6.2.3); 0 disables EDNS. */
  readonly ednsBytes: number
}

export interface DnsAnswer {
  /** Name of the response code: NOERROR, NXDOMAIN, SERVFAIL, REFUSED… */
  readonly rcode: string
  readonly isTruncated: boolean
  readonly isAuthoritative: boolean
  readonly question: { readonly name: string; readonly type: string } | undefined
  /** Records in zone-file format, without name and class. */
  readonly records: readonly { readonly type: string; readonly ttlSeconds: number; readonly data: string }[]
}

export function encodeDnsQuestion({ id, name, type, isRecursive, ednsBytes }: DnsQuestion): Uint8Array {
  return encode({
    type: 'query',
    id,
    flags: isRecursive ? RECURSION_DESIRED : 0,
    questions: [{ name, type, class: 'IN' }],
    ...(ednsBytes === 0
      ? {}
      : {
          additionals: [
            {
              type: 'OPT',
              name: '.',
              udpPayloadSize: ednsBytes,
              extendedRcode: 0,
              ednsVersion: 0,
              flags: 0,
              flag_do: false,
              options: [],
            },
          ],
        }),
  })
}

/** Returns the ID of a response (RFC 1035 §4.1.1: bit QR); undefined for anything else. */
export function dnsResponseId(bytes: Uint8Array): number | undefined {
  const [idHigh, idLow, flags] = bytes
  if (idHigh === undefined || idLow === undefined || flags === undefined || (flags & 0x80) === 0) return undefined
  return (idHigh << 8) | idLow
}

/** Decodes a DNS response; undefined if the bytes are not well-formed or not a response. */
export function decodeDnsAnswer(bytes: Uint8Array): DnsAnswer | undefined {
  const packet = decodeOrUndefined(bytes)
  if (packet === undefined || packet.type !== 'response') return undefined
  const flags = packet.flags ?? 0
  const question = packet.questions?.[0]
  return {
    rcode: rcodeOf(packet),
    isTruncated: (flags & TRUNCATED_RESPONSE) !== 0,
    isAuthoritative: (flags & AUTHORITATIVE_ANSWER) !== 0,
    question: question === undefined ? undefined : { name: question.name, type: question.type },
    records: (packet.answers ?? []).flatMap((record) =>
      'data' in record
        ? [{ type: record.type, ttlSeconds: 'ttl' in record ? (record.ttl ?? 0) : 0, data: formatData(record.data) }]
        : [],
    ),
  }
}

/** Returns the reverse name of an address (RFC 1035 §3.5, RFC 3596 §2.5); returns any other name unchanged. */
export function reverseName(name: string): string {
  if (isIPv4(name)) return `${name.split('.').toReversed().join('.')}.in-addr.arpa`
  if (isIPv6(name)) return `${[...expandIpv6(name)].toReversed().join('.')}.ip6.arpa`
  return name
}

function expandIpv6(address: string): string {
  const [withoutZone] = address.split('%', 1)
  const { hostname } = new URL(`http://[${withoutZone}]`)
  const [head = '', tail] = hostname.slice(1, -1).split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const groups = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => '0'), ...right]
  return groups.map((group) => group.padStart(4, '0')).join('')
}

function decodeOrUndefined(bytes: Uint8Array) {
  try {
    const packet = decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
    // If a record is truncated, the library reads past the end and invents the missing bytes.
    return decode.bytes > bytes.length ? undefined : packet
  } catch {
    return undefined // the library throws on malformed input, but here a malformed answer is data
  }
}

function rcodeOf(packet: object): string {
  return 'rcode' in packet && typeof packet.rcode === 'string' ? packet.rcode : 'NOERROR'
}

function formatData(data: unknown): string {
  if (typeof data === 'string') return data
  if (data instanceof Uint8Array) return JSON.stringify(Buffer.from(data).toString('utf8'))
  if (Array.isArray(data)) return data.map(formatData).join(' ')
  if (isSrv(data)) return `${data.priority} ${data.weight} ${data.port} ${data.target}`
  return JSON.stringify(data)
}

function isSrv(data: unknown): data is { priority: number; weight: number; port: number; target: string } {
  return (
    typeof data === 'object' &&
    data !== null &&
    'target' in data &&
    'port' in data &&
    'priority' in data &&
    'weight' in data
  )
}

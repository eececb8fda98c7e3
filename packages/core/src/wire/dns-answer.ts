import { readUint16, readUint32 } from './bytes.ts'
import {
  dnsFlags,
  dnsResponseId,
  internetClass,
  isLetter,
  optType,
  rcodeMask,
  recordTypes,
  responseCodes,
} from './dns.ts'
import { characterStringText, dnsHeaderBytes, endOfName, NameReader } from './dns-name.ts'

/*
 * Reads what a probe uses: the header, the question, the records of the answer section, and the extended response code. All else is
 * stepped over. The work is proportional to the length of the message, whatever its counts and pointers say.
 */

export interface DnsRecord {
  readonly type: string
  readonly ttlSeconds: number
  /** In zone-file format. */
  readonly data: string
}

export interface DnsAnswer {
  /** Name of the response code: NOERROR, NXDOMAIN, SERVFAIL, REFUSED… */
  readonly rcode: string
  readonly isTruncated: boolean
  readonly isAuthoritative: boolean
  /** Records of the answer section; none if the answer is truncated. */
  readonly records: readonly DnsRecord[]
  /** Whether any of them has the type and the name asked for, or the name it is an alias of. */
  readonly hasData: boolean
  /** Name that the one asked for is an alias of (CNAME). */
  readonly aliasOf?: string
}

/**
 * Why bytes are no answer to a query: they are no DNS message; they answer another query, class or opcode; or they repeat the name with
 * letters in another case.
 */
export type DnsMisfit = 'malformed' | 'other-query' | 'other-case'

/** Reads the answer to a query, both as messages. `isExact` says whether the case of letters matters. */
export function readDnsAnswer(bytes: Uint8Array, query: Uint8Array, isExact: boolean): DnsAnswer | DnsMisfit {
  if (bytes.length < dnsHeaderBytes) return 'malformed'
  const [, , high = 0, low = 0] = bytes
  if (dnsResponseId(bytes) !== readUint16(query, 0) || (high & dnsFlags.opcode) !== 0) return 'other-query'
  const code = low & rcodeMask
  const questions = readUint16(bytes, 4)
  // A server that cannot parse a query may omit the question (RFC 1035 §4.1.1, FORMERR).
  if (questions === 0 && code !== responseCodes.NOERROR) return answerOf({ bytes, query, end: dnsHeaderBytes })
  const end = endOfQuestion(query)
  const misfit = questions === 1 ? compareQuestions(bytes.subarray(0, end), query.subarray(0, end)) : 'other-query'
  return misfit === undefined || (misfit === 'other-case' && !isExact) ? answerOf({ bytes, query, end }) : misfit
}

/** The query is well-formed, because this side has encoded it. */
function endOfQuestion(query: Uint8Array): number {
  return (endOfName(query, dnsHeaderBytes) ?? dnsHeaderBytes) + 4
}

function compareQuestions(answer: Uint8Array, query: Uint8Array): DnsMisfit | undefined {
  let misfit: DnsMisfit | undefined
  for (let at = dnsHeaderBytes; at < answer.length; at++) {
    const one = answer[at] ?? 0
    const other = query[at] ?? 0
    if (one === other) continue
    // Neither length bytes nor type and class are letters: no type that can be asked for has a number in that range.
    if ((one ^ other) !== 0x20 || !isLetter(one)) return 'other-query'
    misfit = 'other-case'
  }
  return answer.length < query.length ? 'malformed' : misfit
}

interface Sections {
  readonly bytes: Uint8Array
  readonly query: Uint8Array
  /** Where the records begin. */
  readonly end: number
}

function answerOf({ bytes, query, end }: Sections): DnsAnswer | DnsMisfit {
  const [, , high = 0, low = 0] = bytes
  const isTruncated = (high & dnsFlags.truncated) !== 0
  const flags = { isTruncated, isAuthoritative: (high & dnsFlags.authoritative) !== 0 }
  // A truncated message may end anywhere (RFC 2181 §9), and is not used.
  if (isTruncated) return { rcode: rcodeName(low & rcodeMask), ...flags, records: [], hasData: false }
  const sections = readRecords(bytes, end)
  if (sections === undefined) return 'malformed'
  const names = new NameReader(bytes)
  const asked = names.nameAt(dnsHeaderBytes)
  const owned: OwnedRecord[] = []
  for (const record of sections.answers) {
    const owner = names.nameAt(record.start)
    const data = dataOf(record, bytes, names)
    if (owner === undefined || data === undefined) return 'malformed'
    owned.push({ ...record, owner: owner.toLowerCase(), data })
  }
  const rcode = rcodeName((sections.extendedRcode << 4) | (low & rcodeMask))
  const records = owned.map(({ type, ttlSeconds, data }) => ({ type: typeName(type), ttlSeconds, data }))
  const type = readUint16(query, endOfQuestion(query) - 4)
  return { rcode, ...flags, records, ...followAliases(owned, asked?.toLowerCase() ?? '', type) }
}

interface RawRecord {
  readonly start: number
  readonly type: number
  readonly ttlSeconds: number
  readonly dataStart: number
  readonly dataEnd: number
}

interface OwnedRecord extends RawRecord {
  readonly owner: string
  readonly data: string
}

/** Size of a record with the root as name and without data. */
const leastRecordBytes = 11

function readRecords(
  bytes: Uint8Array,
  start: number,
): { readonly answers: readonly RawRecord[]; readonly extendedRcode: number } | undefined {
  const answerCount = readUint16(bytes, 6)
  const count = answerCount + readUint16(bytes, 8) + readUint16(bytes, 10)
  if (count * leastRecordBytes > bytes.length - start) return undefined
  const answers: RawRecord[] = []
  let extendedRcode = 0
  let at = start
  for (let index = 0; index < count; index++) {
    const end = endOfName(bytes, at)
    if (end === undefined || end + 10 > bytes.length) return undefined
    const type = readUint16(bytes, end)
    const dataStart = end + 10
    const dataEnd = dataStart + readUint16(bytes, end + 8)
    if (dataEnd > bytes.length) return undefined
    // The upper eight bits of the code are where other records have their TTL (RFC 6891 §6.1.3).
    if (type === optType) extendedRcode = bytes[end + 4] ?? 0
    else if (index < answerCount && readUint16(bytes, end + 2) === internetClass) {
      const ttl = readUint32(bytes, end + 4)
      // RFC 2181 §8: a TTL with the highest bit set counts as zero.
      answers.push({ start: at, type, ttlSeconds: ttl > 0x7fff_ffff ? 0 : ttl, dataStart, dataEnd })
    }
    at = dataEnd
  }
  return { answers, extendedRcode }
}

const { A, AAAA, SRV, PTR, TXT } = recordTypes
const [NS, CNAME, DNAME] = [2, 5, 39]
const typeNames = new Map(
  Object.entries({ A, AAAA, SRV, PTR, TXT, NS, CNAME, DNAME }).map(([name, type]) => [type, name]),
)
const codeNames = new Map(Object.entries(responseCodes).map(([name, code]): [number, string] => [code, name]))

function typeName(type: number): string {
  return typeNames.get(type) ?? `TYPE${type}` // RFC 3597 §5
}

function rcodeName(code: number): string {
  return codeNames.get(code) ?? `RCODE_${code}`
}

function dataOf({ type, dataStart, dataEnd }: RawRecord, bytes: Uint8Array, names: NameReader): string | undefined {
  const data = bytes.subarray(dataStart, dataEnd)
  switch (type) {
    case A:
      return data.length === 4 ? data.join('.') : undefined
    case AAAA:
      return data.length === 16 ? ipv6Text(data) : undefined
    case SRV: {
      const target = endOfName(bytes, dataStart + 6) === dataEnd ? names.nameAt(dataStart + 6) : undefined
      return target && `${readUint16(data, 0)} ${readUint16(data, 2)} ${readUint16(data, 4)} ${target}`
    }
    case NS:
    case CNAME:
    case PTR:
    case DNAME:
      return endOfName(bytes, dataStart) === dataEnd ? names.nameAt(dataStart) : undefined
    case TXT:
      return textOf(data)
    default:
      return `\\# ${data.length} ${Buffer.from(data).toString('hex')}`.trimEnd() // RFC 3597 §5
  }
}

/** RFC 5952 §4: no leading zeros, and the first of the longest runs of zero groups is shortened. */
function ipv6Text(data: Uint8Array): string {
  const text = Array.from({ length: 8 }, (_, group) => readUint16(data, 2 * group).toString(16)).join(':')
  const runs = [...text.matchAll(/\b0(?::0)+\b/g)].map(({ 0: { length }, index }) => ({ length, index }))
  const [first, ...others] = runs
  if (first === undefined) return text
  const { length, index } = others.reduce((best, run) => (run.length > best.length ? run : best), first)
  return `${text.slice(0, index).replace(/:$/, '')}::${text.slice(index + length).replace(/^:/, '')}`
}

function textOf(data: Uint8Array): string | undefined {
  const strings: string[] = []
  for (let at = 0; at < data.length; ) {
    const end = at + 1 + (data[at] ?? 0)
    if (end > data.length) return undefined
    strings.push(characterStringText(data.subarray(at + 1, end)))
    at = end
  }
  return strings.length === 0 ? undefined : strings.join(' ')
}

/** Follows the aliases of a name to the records of the type asked for. */
function followAliases(
  records: readonly OwnedRecord[],
  asked: string,
  type: number,
): Pick<DnsAnswer, 'hasData' | 'aliasOf'> {
  const aliases = new Map<string, string>()
  const withData = new Set<string>()
  for (const record of records) {
    if (record.type === type) withData.add(record.owner)
    else if (record.type === CNAME) aliases.set(record.owner, record.data)
  }
  let name = asked
  let aliasOf: string | undefined
  // At most once around, because aliases may form a loop.
  for (let step = 0; step <= aliases.size && !withData.has(name); step++) {
    const next = aliases.get(name)
    if (next === undefined) break
    aliasOf = next
    name = next.toLowerCase()
  }
  return { hasData: withData.has(name), ...(aliasOf === undefined ? {} : { aliasOf }) }
}

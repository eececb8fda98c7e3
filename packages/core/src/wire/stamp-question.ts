import { readUint16, readUint32 } from './bytes.ts'
import { isStampAnswer, type StampKey, stampBytes } from './stamp.ts'
import { readTimestamp, type Timestamp } from './stamp-time.ts'
import {
  areIntact,
  encodeHmacTlv,
  encodeTlv,
  readTlvs,
  type Tlv,
  tlvHeaderBytes,
  tlvTypes,
  tlvValueBytes,
} from './stamp-tlv.ts'

/*
 * What a Session-Sender asks in TLVs (RFC 8972 §4): first padding with a number, then what its question needs, and with a key the HMAC of
 * them all. A reflector that understands a TLV clears its flags and fills it in, so that an answer is as long as its request.
 */

/** A question that is asked in TLVs. */
export interface StampQuestion {
  readonly key: StampKey
  /** With which class of service the request arrives (RFC 8972 §4.4); the answer is to leave with this DSCP. */
  readonly dscp?: number | undefined
  /** How timestamps are taken (RFC 8972 §4.3), and when the previous answer left (RFC 8972 §4.7). */
  readonly asksStamps?: boolean | undefined
}

/** What the reflector filled in. A field is absent if it does not understand its TLV, or was not asked. */
export interface FilledIn {
  readonly service?: ReflectedClass
  readonly stamps?: ReflectedStamps
  /** Null if the session has no previous answer whose departure is known. */
  readonly previous?: FollowUp | null
}

/** What a reflector answers to the question for the class of service. */
export interface ReflectedClass {
  /** DSCP with which the request arrived. */
  readonly arrived: number
  /** The answer left with the DSCP that it was asked for. */
  readonly isUsed: boolean
}

/** Names of `clockSources` and of those of other reflectors, by their number. */
const clockNames = [undefined, 'ntp', 'ptp', 'ssu', 'gnss', 'free-running'] as const

/** Names of `timestampMethods` and of those of other reflectors, by their number. */
const methodNames = [undefined, 'hardware', 'software', 'control-plane'] as const

/** What the clock of a timestamp follows. */
export type StampClock = NonNullable<(typeof clockNames)[number]> | 'unknown'

/** What takes a timestamp. */
export type StampMethod = NonNullable<(typeof methodNames)[number]> | 'unknown'

interface StampOrigin {
  readonly clock: StampClock
  readonly by: StampMethod
}

/** Where the timestamps of an answer come from. */
export interface ReflectedStamps {
  /** Of the arrival of the request. */
  readonly arrival: StampOrigin
  /** Of the departure of the answer. */
  readonly departure: StampOrigin
}

/** When the previous answer of the session left. */
export interface FollowUp {
  /** The reflector's number of it. */
  readonly sequence: number
  readonly sent: Timestamp
  readonly sentBy: StampMethod
}

const numberBytes = 8

/** Least length of a packet with a number in its padding, and with the TLVs of its question. */
export function numberedBytes(question: StampQuestion): number {
  return stampBytes(question.key) + tlvHeaderBytes + numberBytes + askedBytes(question)
}

/** Returns padding for a packet of so many bytes, which begins with a number of 64 bits. The rest is zeros. */
export function encodeNumber(number: bigint, packetBytes: number, key: StampKey): Uint8Array {
  const value = new Uint8Array(packetBytes - stampBytes(key) - tlvHeaderBytes)
  new DataView(value.buffer).setBigUint64(0, number)
  return encodeTlv(tlvTypes.padding, value)
}

/** Returns the TLVs of a request of so many bytes. */
export function encodeQuestion(number: bigint, packetBytes: number, question: StampQuestion): Uint8Array {
  const { key, dscp = 0 } = question
  const padding = encodeNumber(number, packetBytes - askedBytes(question), key)
  const asked = partsOf(question).map((part) => {
    const value = new Uint8Array(tlvValueBytes[part])
    if (part === 'classOfService') value[0] = dscp << 2
    return encodeTlv(tlvTypes[part], value)
  })
  if (asked.length === 0) return padding
  const tlvs = Buffer.concat([padding, ...asked])
  return key === '' ? tlvs : Buffer.concat([tlvs, encodeHmacTlv(tlvs, key)])
}

/**
 * Returns whether an answer as long as its request brings back the TLVs of `encodeQuestion`, whatever a reflector fills in. Where it says
 * that it verified them, its HMAC must be right.
 */
export function bringsBackQuestion(bytes: Uint8Array, question: StampQuestion): boolean {
  const { key, dscp } = question
  const from = stampBytes(key)
  const at = bytes.length - askedBytes(question)
  if (readUint16(bytes, from + 2) !== at - from - tlvHeaderBytes) return false
  if (!bytes.subarray(numberedBytes({ key }), at).every((byte) => byte === 0)) return false
  const parts = partsOf(question)
  let end = at
  for (const part of parts) {
    if (bytes[end + 1] !== tlvTypes[part] || readUint16(bytes, end + 2) !== tlvValueBytes[part]) return false
    end += tlvHeaderBytes + tlvValueBytes[part]
  }
  if (dscp !== undefined && (bytes[at + tlvHeaderBytes] ?? 0) >>> 2 !== dscp) return false
  return key === '' || parts.length === 0 || bytes[end] !== 0 || areIntact(bytes, readTlvs(bytes, from), key)
}

/** Returns what the reflector filled in: nothing if the answer does not bring back the question, or if its HMAC was not verified. */
export function readFilledIn(bytes: Uint8Array, question: StampQuestion): FilledIn {
  const { key } = question
  const at = bytes.length - askedBytes(question)
  if (at < numberedBytes({ key }) || !bringsBackQuestion(bytes, question)) return {}
  const tlvs = readTlvs(bytes, at)
  if (key !== '' && tlvs.at(-1)?.flags !== 0) return {}
  return tlvs.reduce<FilledIn>((read, tlv) => ({ ...read, ...filledInBy(bytes, tlv) }), {})
}

/** Returns the number of an answer, in either mode; undefined for what is no answer, or has none. */
export function numberOfAnswer(bytes: Uint8Array): bigint | undefined {
  for (const key of modes) {
    const at = stampBytes(key)
    if (bytes.length < numberedBytes({ key }) || !isStampAnswer(bytes, key)) continue
    if (bytes[at + 1] !== tlvTypes.padding || readUint16(bytes, at + 2) < numberBytes) continue
    return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(at + tlvHeaderBytes)
  }
  return undefined
}

/** Keys of authenticated and unauthenticated packets: the layout depends on no more than whether there is one. */
const modes: readonly StampKey[] = ['any', '']

type Part = 'classOfService' | 'timestampInformation' | 'followUp'

/** Returns the TLVs between padding and HMAC. */
function partsOf({ dscp, asksStamps = false }: StampQuestion): readonly Part[] {
  return [
    ...(dscp === undefined ? [] : (['classOfService'] as const)),
    ...(asksStamps ? (['timestampInformation', 'followUp'] as const) : []),
  ]
}

/** Length of what follows the padding: the TLVs of the question, and with a key the HMAC that they need. */
function askedBytes(question: StampQuestion): number {
  const parts = partsOf(question)
  if (parts.length === 0) return 0
  const hmacBytes = question.key === '' ? 0 : tlvHeaderBytes + tlvValueBytes.hmac
  return parts.reduce((sum, part) => sum + tlvHeaderBytes + tlvValueBytes[part], hmacBytes)
}

function filledInBy(bytes: Uint8Array, { flags, type, at }: Tlv): FilledIn {
  if (flags !== 0) return {}
  const from = at + tlvHeaderBytes
  switch (type) {
    case tlvTypes.classOfService: {
      const value = readUint16(bytes, from)
      return { service: { arrived: (value >>> 4) & 0x3f, isUsed: (value & 3) === 0 } }
    }
    case tlvTypes.timestampInformation: {
      const [clockIn = 0, methodIn = 0, clockOut = 0, methodOut = 0] = bytes.subarray(from)
      // Cleared flags alone say nothing.
      if ((clockIn | methodIn | clockOut | methodOut) === 0) return {}
      return { stamps: { arrival: originOf(clockIn, methodIn), departure: originOf(clockOut, methodOut) } }
    }
    case tlvTypes.followUp: {
      const sent = readTimestamp(bytes, from + 4)
      if (sent.seconds === 0 && sent.fraction === 0) return { previous: null }
      return { previous: { sequence: readUint32(bytes, from), sent, sentBy: methodOf(bytes[from + 12] ?? 0) } }
    }
    default:
      return {}
  }
}

function originOf(clock: number, method: number): StampOrigin {
  return { clock: clockNames[clock] ?? 'unknown', by: methodOf(method) }
}

function methodOf(method: number): StampMethod {
  return methodNames[method] ?? 'unknown'
}

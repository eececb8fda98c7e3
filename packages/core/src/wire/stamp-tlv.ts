import { timingSafeEqual } from 'node:crypto'
import { readUint16, writeUint16, writeUint32 } from './bytes.ts'
import { type StampKey, stampTag, tagBytes } from './stamp.ts'
import { type Timestamp, writeTimestamp } from './stamp-time.ts'

/*
 * Extensions of STAMP (RFC 8972 §4): flags, type, length of the value, value. A sender sets the flag U, and a reflector clears it where it
 * understands the TLV.
 */

export const tlvTypes = { padding: 1, timestampInformation: 3, classOfService: 4, followUp: 7, hmac: 8 } as const

/** Flags of an answer: not understood, malformed, and of a packet whose HMAC TLV is wrong or missing. */
export const tlvFlags = { unrecognized: 0x80, malformed: 0x40, integrity: 0x20 } as const

/** How a timestamp was taken: by the kernel, or by the process (RFC 8972 §4.3). */
export const timestampMethods = { software: 2, controlPlane: 3 } as const

/** The clock of a timestamp (RFC 8972 §4.3): NTP, or free-running. */
export const clockSources = { ntp: 1, free: 5 } as const

export const tlvHeaderBytes = 4

export interface Tlv {
  readonly flags: number
  readonly type: number
  /** Offset of its flags. */
  readonly at: number
  /** Offset behind its value. */
  readonly end: number
}

/** What a reflector tells in TLVs. */
export interface Reflection {
  /** TOS or traffic class with which the request arrived; absent if the reflector cannot see it. */
  readonly trafficClass?: number
  /** Of both timestamps. */
  readonly clockSource: number
  readonly receivedBy: number
  readonly sentBy: number
  /** The previous answer of the session. */
  readonly previous?: { readonly sequence: number; readonly sent: Timestamp; readonly sentBy: number }
}

export function encodeTlv(type: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(tlvHeaderBytes + value.length)
  bytes[0] = tlvFlags.unrecognized
  bytes[1] = type
  writeUint16(bytes, 2, value.length)
  bytes.set(value, tlvHeaderBytes)
  return bytes
}

/** Returns the HMAC TLV that protects those before it (RFC 8972 §4.8). */
export function encodeHmacTlv(tlvs: Uint8Array, key: StampKey): Uint8Array {
  return encodeTlv(tlvTypes.hmac, stampTag(tlvs, key))
}

/** Returns the TLVs that begin at an offset. The last one ends behind the packet if it is malformed. */
export function readTlvs(bytes: Uint8Array, from: number): readonly Tlv[] {
  const tlvs: Tlv[] = []
  for (let at = from; at < bytes.length; ) {
    const end = at + tlvHeaderBytes + readUint16(bytes, at + 2)
    tlvs.push({ flags: bytes[at] ?? 0, type: bytes[at + 1] ?? 0, at, end })
    at = end
  }
  return tlvs
}

/** Length that the value of each understood type must have; padding may have any. */
export const tlvValueBytes = { timestampInformation: 4, classOfService: 4, followUp: 16, hmac: tagBytes } as const

const lengths: Readonly<Record<number, number>> = {
  [tlvTypes.timestampInformation]: tlvValueBytes.timestampInformation,
  [tlvTypes.classOfService]: tlvValueBytes.classOfService,
  [tlvTypes.followUp]: tlvValueBytes.followUp,
  [tlvTypes.hmac]: tlvValueBytes.hmac,
}

/**
 * Turns the TLVs of a request into those of its answer, in place. Returns the traffic class that the answer is to leave with, if the
 * sender asks for one. What follows a malformed TLV, or fails its HMAC, is copied.
 */
export function reflectTlvs(
  bytes: Uint8Array,
  { from, key }: { readonly from: number; readonly key: StampKey },
  reflection: Reflection,
): number | undefined {
  const tlvs = readTlvs(bytes, from)
  if (key !== '' && !areIntact(bytes, tlvs, key)) {
    for (const { at } of tlvs) bytes[at] = tlvFlags.integrity
    return undefined
  }
  let trafficClass: number | undefined
  for (const tlv of tlvs) {
    const { type, at } = tlv
    const isUnseen = type === tlvTypes.classOfService && reflection.trafficClass === undefined
    const flag = flagOf(tlv, bytes.length, key) || (isUnseen ? tlvFlags.unrecognized : 0)
    bytes[at] = flag
    if (flag === tlvFlags.malformed) return trafficClass
    if (flag !== 0) continue
    if (type === tlvTypes.classOfService) trafficClass = reflectClass(bytes, at + tlvHeaderBytes, reflection)
    if (type === tlvTypes.timestampInformation) describeTimestamps(bytes, at + tlvHeaderBytes, reflection)
    if (type === tlvTypes.followUp) followUp(bytes, at + tlvHeaderBytes, reflection)
    if (type === tlvTypes.hmac) bytes.set(stampTag(bytes.subarray(from, at), key), at + tlvHeaderBytes)
  }
  return trafficClass
}

function flagOf({ type, at, end }: Tlv, length: number, key: StampKey): number {
  const valueBytes = end - at - tlvHeaderBytes
  if (end > length) return tlvFlags.malformed
  if (type === tlvTypes.padding) return 0
  const expected = lengths[type]
  // Without a key no HMAC can be verified.
  if (expected === undefined || (type === tlvTypes.hmac && key === '')) return tlvFlags.unrecognized
  return valueBytes === expected ? 0 : tlvFlags.malformed
}

/** A single TLV of padding needs no HMAC. Otherwise there must be one behind all others but padding (RFC 8972 §4.8). */
export function areIntact(bytes: Uint8Array, tlvs: readonly Tlv[], key: StampKey): boolean {
  const [first] = tlvs
  if (first === undefined || (tlvs.length === 1 && first.type === tlvTypes.padding)) return true
  const index = tlvs.findIndex(({ type }) => type === tlvTypes.hmac)
  const hmac = tlvs[index]
  if (hmac === undefined || hmac.end > bytes.length || hmac.end - hmac.at !== tlvHeaderBytes + tagBytes) return false
  if (tlvs.slice(index + 1).some(({ type }) => type !== tlvTypes.padding)) return false
  const tag = stampTag(bytes.subarray(first.at, hmac.at), key)
  return timingSafeEqual(bytes.subarray(hmac.at + tlvHeaderBytes, hmac.end), tag)
}

/** RFC 8972 §4.4: DSCP to answer with, DSCP and ECN as they arrived, and two bits that stay zero because the DSCP is used. */
function reflectClass(bytes: Uint8Array, at: number, { trafficClass = 0 }: Reflection): number {
  const wanted = (bytes[at] ?? 0) & 0xfc
  bytes[at] = wanted | (trafficClass >>> 6)
  bytes[at + 1] = ((trafficClass << 2) & 0xf0) | ((trafficClass & 3) << 2)
  bytes.fill(0, at + 2, at + 4)
  return wanted
}

/** RFC 8972 §4.3: source of the clock and method, for the receive timestamp and for that of the answer. */
function describeTimestamps(bytes: Uint8Array, at: number, { clockSource, receivedBy, sentBy }: Reflection): void {
  bytes.set([clockSource, receivedBy, clockSource, sentBy], at)
}

/** RFC 8972 §4.7: number and time of the previous answer; zeros if there is none. */
function followUp(bytes: Uint8Array, at: number, { previous }: Reflection): void {
  bytes.fill(0, at, at + tlvValueBytes.followUp)
  if (previous === undefined) return
  writeUint32(bytes, at, previous.sequence)
  writeTimestamp(bytes, at + 4, previous.sent)
  bytes[at + 12] = previous.sentBy
}

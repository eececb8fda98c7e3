import { createHmac, timingSafeEqual } from 'node:crypto'
import { readUint16, readUint32, writeUint16, writeUint32 } from './bytes.ts'
import {
  type ErrorEstimate,
  readErrorEstimate,
  readTimestamp,
  type Timestamp,
  timestampBytes,
  writeErrorEstimate,
  writeTimestamp,
} from './stamp-time.ts'

/*
 * Packets of STAMP (RFC 8762 §4.2 and §4.3, with the session identifier of RFC 8972 §3). An answer is its request with other contents, so
 * it is never larger. Behind both there may be TLVs (stamp-tlv.ts, stamp-question.ts).
 */

/** Secret shared by both sides. If empty, packets are unauthenticated. */
export type StampKey = string

/** What a Session-Sender sends. */
export interface StampRequest {
  /** 32 bits; counts the packets of a session. */
  readonly sequence: number
  readonly sent: Timestamp
  readonly estimate: ErrorEstimate
  /** Session identifier, 16 bits; 0 for none. */
  readonly ssid: number
}

/** What a Session-Reflector answers. */
export interface StampAnswer extends StampRequest {
  /** When the request arrived, in the format of `sent`. */
  readonly received: Timestamp
  /** As they were in the request. */
  readonly sender: Omit<StampRequest, 'ssid'>
  /** TTL or hop limit with which the request arrived. */
  readonly senderTtl: number
}

interface Layout {
  readonly bytes: number
  readonly sent: number
  readonly estimate: number
  readonly ssid: number
  readonly received: number
  readonly sender: { readonly sequence: number; readonly sent: number; readonly estimate: number; readonly ttl: number }
}

const unauthenticated: Layout = {
  bytes: 44,
  sent: 4,
  estimate: 12,
  ssid: 14,
  received: 16,
  sender: { sequence: 24, sent: 28, estimate: 36, ttl: 40 },
}

const authenticated: Layout = {
  bytes: 112,
  sent: 16,
  estimate: 24,
  ssid: 26,
  received: 32,
  sender: { sequence: 48, sent: 64, estimate: 72, ttl: 80 },
}

/** In authenticated mode the HMAC ends the packet, and covers all before it (RFC 8762 §4.4). */
const tagAt = 96
export const tagBytes = 16

/** A Session-Sender of TWAMP Light ends at the TTL of its answer, if it pads at all (RFC 5357 §4.2.1). */
const leastBytes = 41

/** In the answers of a reflector less than this lies between both timestamps, in seconds. */
const longestResidence = 60

/** Length of a packet without TLVs. */
export function stampBytes(key: StampKey): number {
  return layoutOf(key).bytes
}

export function encodeStampRequest(request: StampRequest, tlvs: Uint8Array, key: StampKey): Uint8Array {
  const layout = layoutOf(key)
  const bytes = new Uint8Array(layout.bytes + tlvs.length)
  writeHead(bytes, request, layout)
  bytes.set(tlvs, layout.bytes)
  setTag(bytes, key)
  return bytes
}

/**
 * Decodes a request; undefined for anything else. Does not verify the HMAC: see `isGenuineStamp`. What must be zero is not looked at,
 * because TWAMP Light pads there. Answers look like requests with padding, except that both their timestamps are of one moment: if they
 * were answered, two reflectors could keep answering each other.
 */
export function decodeStampRequest(bytes: Uint8Array, key: StampKey): StampRequest | undefined {
  const layout = layoutOf(key)
  if (bytes.length < (key === '' ? leastBytes : layout.bytes)) return undefined
  return isAnswer(bytes, layout) ? undefined : readHead(bytes, layout)
}

/** Returns whether bytes have the layout of an answer. */
export function isStampAnswer(bytes: Uint8Array, key: StampKey): boolean {
  const layout = layoutOf(key)
  return bytes.length >= (key === '' ? leastBytes : layout.bytes) && isAnswer(bytes, layout)
}

/** Turns a request into its answer, in place. TLVs stay as they are. */
export function turnIntoStampAnswer(
  bytes: Uint8Array,
  answer: Omit<StampAnswer, 'sender' | 'ssid'>,
  key: StampKey,
): void {
  const layout = layoutOf(key)
  const { sent, estimate, ssid, sender } = layout
  const head = Uint8Array.from(bytes.subarray(0, layout.bytes))
  bytes.fill(0, 0, Math.min(bytes.length, layout.bytes))
  copy(head, bytes, { from: 0, to: sender.sequence, length: 4 })
  copy(head, bytes, { from: sent, to: sender.sent, length: timestampBytes })
  copy(head, bytes, { from: estimate, to: sender.estimate, length: 2 })
  writeHead(bytes, { ...answer, ssid: readUint16(head, ssid) }, layout)
  writeTimestamp(bytes, layout.received, answer.received)
  bytes[sender.ttl] = answer.senderTtl
  setTag(bytes, key)
}

/** Decodes an answer; undefined for anything else. Does not verify the HMAC. */
export function decodeStampAnswer(bytes: Uint8Array, key: StampKey): StampAnswer | undefined {
  if (!isStampAnswer(bytes, key)) return undefined
  const layout = layoutOf(key)
  const { sequence, sent, estimate, ttl } = layout.sender
  return {
    ...readHead(bytes, layout),
    received: readTimestamp(bytes, layout.received),
    sender: {
      sequence: readUint32(bytes, sequence),
      sent: readTimestamp(bytes, sent),
      estimate: readErrorEstimate(bytes, estimate),
    },
    senderTtl: bytes[ttl] ?? 0,
  }
}

/** Returns whether the sender of this packet has the key. Without a key everything is genuine. */
export function isGenuineStamp(bytes: Uint8Array, key: StampKey): boolean {
  if (key === '') return true
  return (
    bytes.length >= authenticated.bytes &&
    timingSafeEqual(bytes.subarray(tagAt, authenticated.bytes), stampTag(bytes.subarray(0, tagAt), key))
  )
}

/** Returns the HMAC-SHA-256 of bytes, cut to 128 bits (RFC 8762 §4.4). */
export function stampTag(bytes: Uint8Array, key: StampKey): Uint8Array {
  return createHmac('sha256', key).update(bytes).digest().subarray(0, tagBytes)
}

function isAnswer(bytes: Uint8Array, { sent, received }: Layout): boolean {
  const arrived = readTimestamp(bytes, received)
  const between = (readTimestamp(bytes, sent).seconds - arrived.seconds) | 0
  return (arrived.seconds !== 0 || arrived.fraction !== 0) && Math.abs(between) < longestResidence
}

function layoutOf(key: StampKey): Layout {
  return key === '' ? unauthenticated : authenticated
}

function writeHead(bytes: Uint8Array, request: StampRequest, { sent, estimate, ssid }: Layout): void {
  writeUint32(bytes, 0, request.sequence)
  writeTimestamp(bytes, sent, request.sent)
  writeErrorEstimate(bytes, estimate, request.estimate)
  writeUint16(bytes, ssid, request.ssid)
}

function readHead(bytes: Uint8Array, { sent, estimate, ssid }: Layout): StampRequest {
  return {
    sequence: readUint32(bytes, 0),
    sent: readTimestamp(bytes, sent),
    estimate: readErrorEstimate(bytes, estimate),
    ssid: readUint16(bytes, ssid),
  }
}

function setTag(bytes: Uint8Array, key: StampKey): void {
  if (key !== '') bytes.set(stampTag(bytes.subarray(0, tagAt), key), tagAt)
}

function copy(
  source: Uint8Array,
  target: Uint8Array,
  { from, to, length }: { readonly from: number; readonly to: number; readonly length: number },
): void {
  for (let index = 0; index < length; index++) target[to + index] = source[from + index] ?? 0
}

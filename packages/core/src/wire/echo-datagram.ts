import { createHmac, timingSafeEqual } from 'node:crypto'

/**
 * Scout's UDP echo. A reply is the request with a different kind and tag, so it is never larger. Only requests are answered, so two
 * responders cannot keep answering each other. The tag covers the length but not the padding: the prober compares that, because it
 * must come back as the zeros that it was. So each side understands one of any other version.
 *
 * | bytes  | field                                                        |
 * | ------ | ------------------------------------------------------------ |
 * | 0–3    | "SCUT"                                                       |
 * | 4      | version, 1                                                   |
 * | 5      | kind: 1 request, 2 reply                                     |
 * | 6–7    | length of the whole datagram                                 |
 * | 8–15   | number: 64 bits that only the target can know                |
 * | 16–23  | tag: HMAC-SHA-256 of bytes 0–15, cut to 64 bits (RFC 2104 §5) |
 * | 24–    | padding up to the requested payload size: zeros              |
 */
export interface EchoDatagram {
  readonly kind: 'request' | 'reply'
  /** 64 bits. */
  readonly number: bigint
}

export const echoHeaderBytes = 24
/** Largest payload of one UDP datagram over IPv4 (RFC 768: 65,535 minus IP and UDP headers). */
export const maxPayloadBytes = 65_507

const magic = 0x53435554
const version = 1
const kinds = { request: 1, reply: 2 } as const
const tagged = 16

/** Secret shared by prober and responder. If empty, the tag is only an integrity check. */
export type EchoKey = string

export function encodeEchoDatagram({ kind, number }: EchoDatagram, payloadBytes: number, key: EchoKey): Uint8Array {
  const bytes = new Uint8Array(Math.max(payloadBytes, echoHeaderBytes))
  const view = new DataView(bytes.buffer)
  view.setUint32(0, magic)
  view.setUint8(4, version)
  view.setUint8(5, kinds[kind])
  view.setUint16(6, bytes.length)
  view.setBigUint64(8, number)
  bytes.set(tagOf(bytes, key), tagged)
  return bytes
}

/**
 * Decodes a datagram of this format; undefined for anything else. Does not verify the tag: see `isGenuineEcho`. It may be cut off behind
 * its number; `isWhole` is whether it has the length with which it was sent.
 */
export function decodeEchoDatagram(bytes: Uint8Array): (EchoDatagram & { readonly isWhole: boolean }) | undefined {
  if (bytes.length < tagged) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.getUint32(0) !== magic || view.getUint8(4) !== version) return undefined
  const kindByte = view.getUint8(5)
  const kind = kindByte === kinds.request ? 'request' : kindByte === kinds.reply ? 'reply' : undefined
  if (kind === undefined) return undefined
  const isWhole = bytes.length >= echoHeaderBytes && view.getUint16(6) === bytes.length
  return { kind, number: view.getBigUint64(8), isWhole }
}

/** Turns a genuine request into its reply, in place. */
export function turnIntoReply(bytes: Uint8Array, key: EchoKey): void {
  bytes[5] = kinds.reply
  bytes.set(tagOf(bytes, key), tagged)
}

/** Returns whether the sender of this datagram has the key. */
export function isGenuineEcho(bytes: Uint8Array, key: EchoKey): boolean {
  return bytes.length >= echoHeaderBytes && timingSafeEqual(bytes.subarray(tagged, echoHeaderBytes), tagOf(bytes, key))
}

function tagOf(bytes: Uint8Array, key: EchoKey): Uint8Array {
  return createHmac('sha256', key)
    .update(bytes.subarray(0, tagged))
    .digest()
    .subarray(0, echoHeaderBytes - tagged)
}

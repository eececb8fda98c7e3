import { createHmac, timingSafeEqual } from 'node:crypto'

/**
 * Scout's UDP echo. A reply is the request with a different kind and tag, so it is never larger. Only requests are answered, so two
 * responders cannot keep answering each other.
 *
 * | bytes  | field                                                        |
 * | ------ | ------------------------------------------------------------ |
 * | 0–3    | "SCUT"                                                       |
 * | 4      | version, 1                                                   |
 * | 5      | kind: 1 request, 2 reply                                     |
 * | 6–7    | length of the whole datagram                                 |
 * | 8–11   | sender: 32 bits, random for each exchange                    |
 * | 12–15  | sequence number, 32 bits, wraps                              |
 * | 16–23  | tag: HMAC-SHA-256 of bytes 0–15, cut to 64 bits (RFC 2104 §5) |
 * | 24–    | padding up to the requested payload size                     |
 */
export interface EchoDatagram {
  readonly kind: 'request' | 'reply'
  /** 32 bits, like the sequence. */
  readonly sender: number
  readonly sequence: number
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

export function encodeEchoDatagram(
  { kind, sender, sequence }: EchoDatagram,
  payloadBytes: number,
  key: EchoKey,
): Uint8Array {
  const bytes = new Uint8Array(Math.max(payloadBytes, echoHeaderBytes))
  const view = new DataView(bytes.buffer)
  view.setUint32(0, magic)
  view.setUint8(4, version)
  view.setUint8(5, kinds[kind])
  view.setUint16(6, bytes.length)
  view.setUint32(8, sender)
  view.setUint32(12, sequence)
  bytes.set(tagOf(bytes, key), tagged)
  return bytes
}

/** Decodes a datagram of this format; undefined for anything else. Does not verify the tag: see `isGenuineEcho`. */
export function decodeEchoDatagram(bytes: Uint8Array): EchoDatagram | undefined {
  if (bytes.length < echoHeaderBytes) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.getUint32(0) !== magic || view.getUint8(4) !== version || view.getUint16(6) !== bytes.length)
    return undefined
  const kindByte = view.getUint8(5)
  const kind = kindByte === kinds.request ? 'request' : kindByte === kinds.reply ? 'reply' : undefined
  return kind === undefined ? undefined : { kind, sender: view.getUint32(8), sequence: view.getUint32(12) }
}

/** Returns whether the sender of this datagram has the key. */
export function isGenuineEcho(bytes: Uint8Array, key: EchoKey): boolean {
  return timingSafeEqual(bytes.subarray(tagged, echoHeaderBytes), tagOf(bytes, key))
}

function tagOf(bytes: Uint8Array, key: EchoKey): Uint8Array {
  return createHmac('sha256', key)
    .update(bytes.subarray(0, tagged))
    .digest()
    .subarray(0, echoHeaderBytes - tagged)
}

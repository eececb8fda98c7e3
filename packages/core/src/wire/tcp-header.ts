/** Bits of the 14th byte (RFC 9293 §3.1). */
const tcpFlags = { syn: 0x02, reset: 0x04, ack: 0x10 } as const

const leastTcpHeaderBytes = 20

/** The fields of a TCP header that matter to handshakes (RFC 9293 §3.1). */
export interface TcpHeader {
  readonly sourcePort: number
  readonly destinationPort: number
  readonly acknowledgment: number
  readonly headerBytes: number
  readonly isSyn: boolean
  readonly isAck: boolean
  readonly isReset: boolean
}

/** Decodes a TCP header; undefined if the bytes, or the header's own length field, are shorter than a header without options. */
export function decodeTcpHeader(bytes: Uint8Array): TcpHeader | undefined {
  if (bytes.length < leastTcpHeaderBytes) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const headerBytes = (view.getUint8(12) >>> 4) * 4
  if (headerBytes < leastTcpHeaderBytes) return undefined
  const set = view.getUint8(13)
  return {
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    acknowledgment: view.getUint32(8),
    headerBytes,
    isSyn: (set & tcpFlags.syn) !== 0,
    isAck: (set & tcpFlags.ack) !== 0,
    isReset: (set & tcpFlags.reset) !== 0,
  }
}

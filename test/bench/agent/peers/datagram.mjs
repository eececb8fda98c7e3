import { createHmac } from 'node:crypto'

// Scout's UDP echo as packages/core/src/wire/echo-datagram.ts describes it, with an empty key.

const headBytes = 24
const [request, reply] = [1, 2]
const places = { kind: 5, length: 6, sender: 8, sequence: 12, tag: 16 }

/**
 * @param {{ sender: number, sequence: number, bytes: number }} fields
 */
export function encodeRequest({ sender, sequence, bytes }) {
  const datagram = Buffer.alloc(Math.max(bytes, headBytes))
  datagram.write('SCUT\u0001', 'latin1')
  datagram[places.kind] = request
  datagram.writeUInt16BE(datagram.length, places.length)
  datagram.writeUInt32BE(sender, places.sender)
  datagram.writeUInt32BE(sequence, places.sequence)
  return sign(datagram)
}

/** Turns a request into its reply, in place. */
export function toReply(/** @type {Buffer} */ datagram) {
  datagram[places.kind] = reply
  return sign(datagram)
}

/** Whether it is a request of this format; the tag is not verified. */
export function isRequest(/** @type {Buffer} */ datagram) {
  return (
    datagram.length >= headBytes && datagram.toString('latin1', 0, 4) === 'SCUT' && datagram[places.kind] === request
  )
}

/** Returns the sequence number of a reply; undefined for anything else. */
export function sequenceOfReply(/** @type {Buffer} */ datagram) {
  return datagram.length >= headBytes && datagram[places.kind] === reply
    ? datagram.readUInt32BE(places.sequence)
    : undefined
}

/** @param {Buffer} datagram */
function sign(datagram) {
  createHmac('sha256', '').update(datagram.subarray(0, places.tag)).digest().copy(datagram, places.tag, 0, 8)
  return datagram
}

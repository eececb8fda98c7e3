// STAMP without a key as packages/core/src/wire/stamp.ts describes it, as far as the bench needs it.

const headBytes = 44
const places = { sent: 4, ssid: 14, received: 16, senderSequence: 24, senderSent: 28, senderTtl: 40 }
const secondsFrom1900To1970 = 2_208_988_800

/**
 * @param {{ sender: number, sequence: number, bytes: number }} fields
 */
export function encodeRequest({ sender, sequence, bytes }) {
  const packet = Buffer.alloc(Math.max(bytes, headBytes))
  packet.writeUInt32BE(sequence)
  writeNow(packet, places.sent)
  packet.writeUInt16BE(sender & 0xffff, places.ssid)
  return packet
}

/** Turns a request into its answer, in place. */
export function toReply(/** @type {Buffer} */ packet) {
  const ssid = packet.readUInt16BE(places.ssid)
  packet.copy(packet, places.senderSent, places.sent, places.ssid)
  packet.copy(packet, places.senderSequence, 0, 4)
  packet.writeUInt16BE(ssid, places.ssid)
  writeNow(packet, places.received)
  writeNow(packet, places.sent)
  packet[places.senderTtl] = 64
  return packet
}

/** Whether it is a request of this format: the answer's place for a time of arrival is zero. */
export function isRequest(/** @type {Buffer} */ packet) {
  return packet.length >= headBytes && packet.readUInt32BE(places.received) === 0
}

/** Returns the sequence number that an answer brings back; undefined for anything else. */
export function sequenceOfReply(/** @type {Buffer} */ packet) {
  return packet.length >= headBytes && packet.readUInt32BE(places.received) !== 0
    ? packet.readUInt32BE(places.senderSequence)
    : undefined
}

/**
 * @param {Buffer} packet
 * @param {number} offset
 */
function writeNow(packet, offset) {
  const ms = performance.timeOrigin + performance.now()
  packet.writeUInt32BE((Math.floor(ms / 1e3) + secondsFrom1900To1970) % 2 ** 32, offset)
  packet.writeUInt32BE(Math.floor((ms % 1e3) * (2 ** 32 / 1e3)), offset + 4)
}

// What test/support/child.ts starts: does one task after the other and answers each with a message.

import { writeFileSync } from 'node:fs'
import { createProber } from '@scout/core'
import { raw } from './raw.mjs'

/** @typedef {import('./child.ts').Task} Task */

/** @type {import('./child.ts').ChildStray[]} */
const strays = []
const prober = createProber({ onStray: (protocol, stray) => strays.push({ protocol, ...stray }) })

/**
 * @param {Task} task
 * @returns {Promise<unknown>}
 */
async function perform(task) {
  switch (task.do) {
    case 'probe':
      // The parent's types have seen to it that the options fit the protocol.
      return prober.probe(/** @type {any} */ (task.protocol), task.target, /** @type {any} */ (task.options))
    case 'strays':
      return strays
    case 'answerEchoes':
      return answerEchoes(task.manner)
  }
}

/** @param {import('./child.ts').EchoManner} manner */
function answerEchoes(manner) {
  writeFileSync('/proc/sys/net/ipv4/icmp_echo_ignore_all', '1')
  const socket = raw.createSocket({ protocol: raw.Protocol.ICMP, bufferSize: 65_536 })
  /** @type {{ reply: Buffer, to: string }[]} */
  const held = []
  socket.on('message', (/** @type {Buffer} */ packet, /** @type {string} */ to) => {
    const request = packet.subarray((packet.readUInt8() & 0x0f) * 4)
    if (request[0] !== 8) return
    const reply = withChecksum(Buffer.concat([Buffer.of(0), request.subarray(1)]))
    if (manner === 'withGarbage') return garbage(reply).forEach((bytes) => send(bytes, to))
    held.push({ reply, to })
    if (held.length === 2) for (const { reply, to } of held.splice(0)) send(reply, to)
  })

  /**
   * @param {Buffer} bytes
   * @param {string} to
   */
  function send(bytes, to) {
    socket.send(bytes, 0, bytes.length, to, () => {})
  }
}

/** @param {Buffer} reply */
function garbage(reply) {
  const header = reply.subarray(0, 8)
  const corrupt = Buffer.from(reply)
  corrupt.writeUInt8(corrupt.readUInt8(corrupt.length - 1) ^ 1, corrupt.length - 1)
  return [
    withChecksum(Buffer.concat([header, Buffer.alloc(reply.length - 8)])),
    withChecksum(reply.subarray(0, 16)),
    header.subarray(0, 4),
    corrupt,
  ]
}

/** @param {Buffer} message */
function withChecksum(message) {
  const bytes = Buffer.from(message)
  bytes.writeUInt16BE(0, 2)
  return raw.writeChecksum(bytes, 2, raw.createChecksum(bytes))
}

process.on('message', (/** @type {Task} */ task) => {
  perform(task).then(
    (answer) => process.send?.(answer ?? null),
    (/** @type {unknown} */ error) => {
      console.error(error)
      process.exit(1)
    },
  )
})
process.on('disconnect', () => process.exit())
process.send?.('ready')

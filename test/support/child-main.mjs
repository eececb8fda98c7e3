// What test/support/child.ts starts: does one task after the other and answers each with a message.

import { writeFileSync } from 'node:fs'
import { createProber } from '@scout/core'
import { openRaw, withChecksum } from './raw.mjs'

/** @typedef {import('./child.ts').EchoManner} EchoManner */
/** @typedef {import('./child.ts').Task} Task */

/** @type {import('./child.ts').ChildStray[]} */
const strays = []
const prober = createProber({ onStray: (protocol, stray) => strays.push({ protocol, ...stray }) })

/** @type {EchoManner} */
let manner = 'duly'
/** @type {ReturnType<typeof openRaw> | undefined} */
let echoes

/**
 * @param {Task} task
 * @returns {Promise<unknown>}
 */
async function perform(task) {
  switch (task.do) {
    case 'probe':
      return prober.probe(task.protocol, task.target, task.options)
    case 'strays':
      return strays.splice(0)
    case 'answerEchoes':
      manner = task.manner
      writeFileSync('/proc/sys/net/ipv4/icmp_echo_ignore_all', manner === 'duly' ? '0' : '1')
      echoes ??= listenForEchoes()
      return undefined
  }
}

function listenForEchoes() {
  /** @type {{ reply: Buffer, to: string }[]} */
  let held = []
  const socket = openRaw('ICMP')
  socket.onPacket((packet, to) => {
    const request = packet.subarray((packet.readUInt8() & 0x0f) * 4)
    if (request[0] !== 8) return
    const reply = withChecksum(Buffer.concat([Buffer.of(0), request.subarray(1)]))
    if (manner === 'withGarbage') for (const bytes of garbageLike(reply)) socket.send(bytes, to)
    if (manner !== 'oneBehind') return
    held.push({ reply, to })
    if (held.length < 2) return
    for (const { reply, to } of held) socket.send(reply, to)
    held = []
  })
  return socket
}

/** @param {Buffer} reply */
function garbageLike(reply) {
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

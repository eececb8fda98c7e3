// What test/support/names.ts starts in a separate network: name servers that say what they were told to.

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { isIPv6 } from 'node:net'
import { decode, encode, RECURSION_AVAILABLE } from 'dns-packet'

/** @typedef {import('./names.ts').Saying} Saying */
/** @typedef {import('./names.ts').Zone} Zone */

// RFC 1035 §4.1.1.
const codes = { FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 }

/** @type {Record<string, Zone>} */
const servers = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8'))
for (const [address, zone] of Object.entries(servers)) {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
  socket.on('message', (bytes, from) => {
    const reply = replyTo(decode(bytes), zone)
    if (reply !== undefined) socket.send(reply, from.port, from.address)
  })
  socket.bind(53, address)
  await once(socket, 'listening')
}
console.log('ready')
process.stdin.resume().on('end', () => process.exit())

/**
 * @param {import('dns-packet').DecodedPacket} query
 * @param {Zone} zone
 */
function replyTo({ id, questions = [] }, zone) {
  const [question] = questions
  if (question === undefined) return undefined
  const { name, type } = question
  const entry = zone[name.toLowerCase()]
  /** @type {Saying} */
  const says = entry === undefined ? 'NXDOMAIN' : ((type === 'A' ? entry.A : type === 'AAAA' ? entry.AAAA : []) ?? [])
  if (says === 'silent') return undefined
  const reply = { type: /** @type {const} */ ('response'), id, questions, flags: RECURSION_AVAILABLE }
  if (typeof says === 'string') return encode({ ...reply, flags: reply.flags | codes[says] })
  const owner = entry?.CNAME ?? name
  return encode({
    ...reply,
    answers: [
      ...(entry?.CNAME === undefined ? [] : [{ type: /** @type {const} */ ('CNAME'), name, ttl: 5, data: owner }]),
      ...says.map((data) => ({
        type: type === 'A' ? /** @type {const} */ ('A') : /** @type {const} */ ('AAAA'),
        name: owner,
        ttl: 5,
        data,
      })),
    ],
  })
}

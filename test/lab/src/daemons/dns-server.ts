/**
 * A name server for the lab: `dns-server ANSWERS RECORDS ADDRESS...`. How it answers is in the file ANSWERS, read for
 * every query, so that faults change it by changing a file; names and addresses are in the file RECORDS.
 */
import { createSocket, type RemoteInfo } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, isIPv6 } from 'node:net'
import { type Answer, AUTHORITATIVE_ANSWER, decode, encode, type Packet, TRUNCATED_RESPONSE } from 'dns-packet'
import type { Answers, Records } from '../dns.ts'

/** Response codes (RFC 1035 §4.1.1) in the low bits of the flags. */
const codes = { noerror: 0, servfail: 2, nxdomain: 3, refused: 5 } as const
const ttlSeconds = 5

const [answersFile = '', recordsFile = '', ...addresses] = process.argv.slice(2)
const records = parseRecords(readFileSync(recordsFile, 'utf8'))
let queries = 0
let answers: Answers = { mode: 'true' }

await Promise.all(addresses.flatMap((address) => [listenUdp(address), listenTcp(address)]))
console.log('ready')
// The lab holds the other end: when it is gone, no answers are needed.
process.stdin.resume().on('end', () => process.exit())

async function listenUdp(address: string): Promise<void> {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
  socket.on('message', (message: Buffer, sender: RemoteInfo) => {
    answer(message, 'udp', (reply) => socket.send(encode(reply), sender.port, sender.address))
  })
  socket.bind(53, address)
  await once(socket, 'listening')
}

async function listenTcp(address: string): Promise<void> {
  const server = createServer((connection) => {
    // Messages bear their length before them and may come several at once: glibc sends A and AAAA together.
    let pending = Buffer.alloc(0)
    connection.on('error', () => connection.destroy())
    connection.on('data', (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk])
      while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
        const end = 2 + pending.readUInt16BE(0)
        answer(pending.subarray(2, end), 'tcp', (reply) => {
          const body = encode(reply)
          const length = Buffer.alloc(2)
          length.writeUInt16BE(body.length)
          connection.write(Buffer.concat([length, body]))
        })
        pending = pending.subarray(end)
      }
    })
  })
  server.listen(53, address)
  await once(server, 'listening')
}

function answer(message: Buffer, transport: 'udp' | 'tcp', send: (reply: Packet) => void): void {
  const query = tryDecode(message)
  if (query === undefined) return
  queries++
  const how = answersNow()
  switch (how.mode) {
    case 'silent':
      return
    case 'lossy':
      return queries % 2 === 0 ? send(truth(query)) : undefined
    case 'slow':
      // One more, because a timer counts from the start of its turn of the event loop, which was before the query arrived.
      setTimeout(() => send(truth(query)), how.milliseconds + 1)
      return
    case 'truncate':
      return send(transport === 'udp' ? bare(query, TRUNCATED_RESPONSE) : truth(query))
    case 'servfail':
    case 'nxdomain':
    case 'refused':
      return send(bare(query, codes[how.mode]))
    case 'true':
      return send(truth(query))
  }
}

/** What is no message is dropped, as every name server does. */
function tryDecode(message: Buffer): Packet | undefined {
  try {
    return decode(message)
  } catch {
    return undefined
  }
}

function truth(query: Packet): Packet {
  const [question] = query.questions ?? []
  const found = question === undefined ? undefined : records[question.name.toLowerCase()]
  if (question === undefined || found === undefined) return bare(query, codes.nxdomain)
  const answers: Answer[] =
    question.type === 'A'
      ? found.map(({ ipv4 }) => ({ type: 'A', name: question.name, ttl: ttlSeconds, data: ipv4 }))
      : question.type === 'AAAA'
        ? found.map(({ ipv6 }) => ({ type: 'AAAA', name: question.name, ttl: ttlSeconds, data: ipv6 }))
        : []
  return { ...bare(query, codes.noerror), answers }
}

/** A reply without answers. */
function bare({ id, questions }: Packet, flags: number): Packet {
  return {
    type: 'response',
    ...(id === undefined ? {} : { id }),
    ...(questions === undefined ? {} : { questions }),
    flags: AUTHORITATIVE_ANSWER | flags,
  }
}

/** Returns how to answer. While the file is being written, that is as before. */
function answersNow(): Answers {
  try {
    answers = JSON.parse(readFileSync(answersFile, 'utf8'))
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  return answers
}

function parseRecords(text: string): Records {
  return JSON.parse(text)
}

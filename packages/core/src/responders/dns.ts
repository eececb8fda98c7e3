import { once } from 'node:events'
import { createServer, isIPv4, isIPv6, type Socket } from 'node:net'
import { AUTHORITATIVE_ANSWER, decode, encode, type Packet } from 'dns-packet'
import { startOnOnePort } from './one-port.ts'
import { createCounters, type Listen, portOf, type Responder, type ResponderCounters } from './responder.ts'
import { startUdpServer, type UdpServer } from './udp-socket.ts'

export interface DnsResponderOptions extends Listen {
  /** Returns the addresses of a name without its final dot. Called for each query. */
  readonly addressesOf: (name: string) => readonly string[] | undefined
}

/** RCODE 3, "name does not exist" (RFC 1035 §4.1.1), in the low bits of the flags. */
const nxdomain = 3

/** Starts a small authoritative name server over UDP and TCP, for machines without a working one. */
export async function startDnsResponder({ host, port, addressesOf }: DnsResponderOptions): Promise<Responder> {
  const counters = createCounters()
  const answer = (query: Buffer) => {
    const reply = answerTo(query, addressesOf)
    if (reply === undefined) counters.rejected++
    return reply
  }
  const [udp, tcp] = await startOnOnePort(
    port,
    (port) => listenByUdp({ host, port }, { counters, answer }),
    (port) => listenByTcp({ host, port }, { counters, answer }),
  )
  return {
    port: udp.port,
    counters,
    async close() {
      await Promise.all([udp.close(), tcp.close()])
    },
  }
}

interface Answering {
  readonly counters: ResponderCounters
  readonly answer: (query: Buffer) => Buffer | undefined
}

async function listenByUdp(listen: Listen, { counters, answer }: Answering): Promise<UdpServer> {
  return startUdpServer(listen, (datagram) => {
    // Source port 0 means that no answer is expected (RFC 768), and none can be sent to it.
    if (datagram.port === 0) return void counters.rejected++
    const reply = answer(Buffer.from(datagram.bytes))
    if (reply === undefined) return
    datagram.answer(reply, (isSent) => {
      if (isSent) counters.answered++
      else counters.unsent++
    })
  })
}

async function listenByTcp({ host, port }: Listen, { counters, answer }: Answering) {
  const connections = new Set<Socket>()
  const server = createServer((socket) => {
    connections.add(socket)
    socket.on('close', () => connections.delete(socket))
    let received = Buffer.alloc(0)
    socket.setTimeout(5_000, () => socket.destroy())
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      // A client may pipeline several queries (RFC 7766 §6.2.1.1).
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const end = 2 + received.readUInt16BE(0)
        const reply = answer(received.subarray(2, end))
        received = received.subarray(end)
        if (reply === undefined) return void socket.destroy()
        const length = Buffer.alloc(2)
        length.writeUInt16BE(reply.length)
        socket.write(Buffer.concat([length, reply]))
        counters.answered++
      }
    })
  })
  server.listen({ host, port })
  await once(server, 'listening')
  return {
    port: portOf(server),
    async close() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of connections) socket.destroy()
      await closed
    },
  }
}

function answerTo(bytes: Buffer, addressesOf: DnsResponderOptions['addressesOf']): Buffer | undefined {
  const query = decodeOrUndefined(bytes)
  const question = query?.questions?.[0]
  if (query === undefined || query.type !== 'query' || question === undefined) return undefined
  const addresses = addressesOf(question.name.toLowerCase().replace(/\.$/, ''))
  const fits = question.type === 'A' ? isIPv4 : question.type === 'AAAA' ? isIPv6 : () => false
  return encode({
    type: 'response',
    id: query.id ?? 0,
    flags: AUTHORITATIVE_ANSWER | (addresses === undefined ? nxdomain : 0),
    questions: [question],
    answers: (addresses ?? []).filter(fits).map((data) => ({
      type: question.type === 'AAAA' ? ('AAAA' as const) : ('A' as const),
      name: question.name,
      ttl: 5,
      data,
    })),
  })
}

function decodeOrUndefined(bytes: Buffer): Packet | undefined {
  try {
    return decode(bytes)
  } catch {
    return undefined // the library throws on malformed input, which is counted as rejected
  }
}

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, isIPv4, isIPv6, type Socket } from 'node:net'
import { AUTHORITATIVE_ANSWER, decode, encode, type Packet } from 'dns-packet'
import { isSystemError } from '../model/failure.ts'
import { createCounters, type Listen, type Responder } from './responder.ts'

export interface DnsResponderOptions extends Listen {
  /** Addresses by name, without the final dot; asked anew for each question. */
  readonly addressesOf: (name: string) => readonly string[] | undefined
}

/** RCODE 3, "the name does not exist" (RFC 1035 §4.1.1), in the low bits of the flags. */
const nxdomain = 3

/** A small authoritative name server over UDP and TCP, for machines where none answers. */
export async function startDnsResponder(options: DnsResponderOptions): Promise<Responder> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await listenTwice(options)
    } catch (error) {
      // The host chose a port that is free for UDP, and may choose another.
      const isTaken = isSystemError(error) && error.code === 'EADDRINUSE'
      if (options.port !== 0 || !isTaken || attempt === 20) throw error
    }
  }
}

async function listenTwice({ host, port, addressesOf }: DnsResponderOptions): Promise<Responder> {
  const counters = createCounters()
  const udp = createSocket(isIPv6(host) ? 'udp6' : 'udp4')
  udp.on('message', (bytes, from) => {
    // Port 0 says that no answer is wanted (RFC 768), and none can be sent there.
    const reply = from.port === 0 ? undefined : answerTo(bytes, addressesOf)
    if (reply === undefined) return void counters.rejected++
    udp.send(reply, from.port, from.address, (error) => {
      if (error === null) counters.answered++
      else counters.unsent++
    })
  })
  udp.bind(port, host)
  try {
    await once(udp, 'listening')
  } catch (error) {
    udp.close()
    throw error
  }
  // Errors after this concern one datagram and are counted where it was sent.
  udp.on('error', () => counters.unsent++)
  const chosenPort = udp.address().port

  const connections = new Set<Socket>()
  const tcp = createServer((socket) => {
    connections.add(socket)
    socket.on('close', () => connections.delete(socket))
    let received = Buffer.alloc(0)
    socket.setTimeout(5_000, () => socket.destroy())
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      // A client may pipeline several questions (RFC 7766 §6.2.1.1).
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const end = 2 + received.readUInt16BE(0)
        const reply = answerTo(received.subarray(2, end), addressesOf)
        received = received.subarray(end)
        if (reply === undefined) {
          counters.rejected++
          socket.destroy()
          return
        }
        const length = Buffer.alloc(2)
        length.writeUInt16BE(reply.length)
        socket.write(Buffer.concat([length, reply]))
        counters.answered++
      }
    })
  })
  tcp.listen({ host, port: chosenPort })
  try {
    await once(tcp, 'listening')
  } catch (error) {
    udp.close()
    throw error
  }
  return {
    port: chosenPort,
    counters,
    async close() {
      const closed = Promise.all([once(udp, 'close'), once(tcp, 'close')])
      udp.close()
      tcp.close()
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

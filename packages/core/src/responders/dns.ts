import { once } from 'node:events'
import { createServer, isIPv4, isIPv6, type Socket } from 'node:net'
import { mostPlainBytes, recordTypes } from '../wire/dns.ts'
import { FrameReader, framed } from '../wire/dns-frames.ts'
import { encodeDnsReply, readDnsQuery } from '../wire/dns-reply.ts'
import { startOnOnePort } from './one-port.ts'
import { createCounters, type Listen, portOf, type Responder, type ResponderCounters } from './responder.ts'
import { startUdpServer, type UdpServer } from './udp-socket.ts'

export interface DnsResponderOptions extends Listen {
  /** Returns the addresses of a name without its final dot. Called for each query. */
  readonly addressesOf: (name: string) => readonly string[] | undefined
}

/** Largest message over TCP (RFC 1035 §4.2.2). */
const mostFramedBytes = 65_535

/** Starts a small authoritative name server over UDP and TCP, for machines without a working one. */
export async function startDnsResponder({ host, port, addressesOf }: DnsResponderOptions): Promise<Responder> {
  const counters = createCounters()
  const answer = (query: Uint8Array, mostBytes: number) => {
    const reply = answerTo(query, mostBytes, addressesOf)
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
  /** Returns the reply, of at most this many bytes; undefined for a message that is no query. */
  readonly answer: (query: Uint8Array, mostBytes: number) => Uint8Array | undefined
}

async function listenByUdp(listen: Listen, { counters, answer }: Answering): Promise<UdpServer> {
  return startUdpServer(listen, (datagram) => {
    // Source port 0 means that no answer is expected (RFC 768), and none can be sent to it.
    if (datagram.port === 0) return void counters.rejected++
    const reply = answer(datagram.bytes, mostPlainBytes)
    if (reply === undefined) return
    datagram.answer(reply, (isSent) => {
      if (isSent) counters.answered++
      else counters.unsent++
    })
  })
}

/** Time for a client to complete a query, counted from its last one, and to take what was answered (RFC 7766 §6.2.3: seconds). */
const patienceMs = 5_000

/** Limit on TCP connections; more are closed at once. */
const mostConnections = 100

async function listenByTcp({ host, port }: Listen, answering: Answering) {
  const connections = new Set<Socket>()
  const server = createServer((socket) => {
    connections.add(socket)
    socket.on('close', () => connections.delete(socket))
    serve(socket, answering)
  })
  server.maxConnections = mostConnections
  server.on('drop', () => void answering.counters.rejected++)
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

/** Answers one query after the other; a client may pipeline them (RFC 7766 §6.2.1.1). Reads on only when the last answer is sent. */
function serve(socket: Socket, { counters, answer }: Answering): void {
  const reader = new FrameReader()
  const patience = setTimeout(() => {
    if (reader.pendingBytes > 0) counters.rejected++
    socket.destroy()
  }, patienceMs)
  socket.on('close', () => clearTimeout(patience))
  socket.on('error', () => socket.destroy())
  let unread: Uint8Array = new Uint8Array()
  const answerOn = () => {
    while (unread.length > 0 && !socket.destroyed) {
      const { taken, message } = reader.take(unread)
      unread = unread.subarray(taken)
      if (message === undefined) continue
      const reply = answer(message, mostFramedBytes)
      if (reply === undefined) return void socket.destroy()
      patience.refresh()
      counters.answered++
      if (!socket.write(framed(reply))) return void socket.pause()
    }
  }
  socket.on('drain', () => {
    patience.refresh()
    answerOn()
    if (unread.length === 0 && !socket.writableNeedDrain) socket.resume()
  })
  socket.on('data', (chunk) => {
    unread = chunk
    answerOn()
  })
}

function answerTo(bytes: Uint8Array, mostBytes: number, addressesOf: DnsResponderOptions['addressesOf']) {
  const query = readDnsQuery(bytes)
  if (query === undefined) return undefined
  const addresses = addressesOf(query.name === '.' ? '' : query.name.toLowerCase())
  const fits = query.type === recordTypes.A ? isIPv4 : query.type === recordTypes.AAAA ? isIPv6 : () => false
  return encodeDnsReply(query, {
    rcode: addresses === undefined ? 'NXDOMAIN' : 'NOERROR',
    addresses: (addresses ?? []).filter(fits),
    ttlSeconds: 5,
    mostBytes,
  })
}

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import { isRequest, toReply } from './datagram.mjs'

/** @typedef {{ addresses: readonly string[], port: number }} Place */

/**
 * Answers HTTP at all addresses as the responders of agents do.
 *
 * @param {Place} place
 */
export async function answerHttp({ addresses, port }) {
  const startedAtMs = Date.now()
  const names = new Map(addresses.map((address, index) => [address, `peer-${index}`]))
  const server = createServer({ keepAliveTimeout: 5_000, noDelay: true }, (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://peer')
    const own = request.socket.localAddress ?? ''
    const name = names.get(own) ?? ''
    const content = () => {
      switch (pathname) {
        case '/':
          return { message: 'connected to scout', time: new Date().toISOString() }
        case '/greeting': {
          const node = { node: `node-of-${name}`, zone: 'zone-1', nodeAddresses: [] }
          return { name, namespace: 'scout', ...node, addresses: [own], version: '0.1.0', startedAtMs }
        }
        case '/evidence':
          // As a watcher that has the sender's base: without such an answer each message is sent whole, and twice.
          return { accepted: true, needsBase: false, rows: addresses.length + 1, speaks: true, version: '1' }
        default:
          return { message: `${pathname} does not exist` }
      }
    }
    const body =
      pathname === '/bytes'
        ? Buffer.alloc(Number(searchParams.get('size')), 'scout ')
        : Buffer.from(JSON.stringify(content()))
    request.resume()
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length })
    response.end(body)
  })
  server.listen({ host: '0.0.0.0', port, backlog: 4096 })
  await once(server, 'listening')
}

/**
 * Answers Scout's UDP echo. A socket for each address: one for all would answer from its host's first address.
 *
 * @param {Place} place
 */
export async function answerUdp({ addresses, port }) {
  await Promise.all(
    addresses.map(async (address) => {
      const socket = createSocket('udp4')
      socket.on('message', (bytes, from) => {
        if (isRequest(bytes)) socket.send(toReply(bytes), from.port, from.address)
      })
      socket.bind(port, address)
      await once(socket, 'listening')
    }),
  )
}

/** Answers every query for an IPv4 address with the same one, and any other with no record (RFC 1035 §4.1), over UDP and TCP. */
export async function answerNames(/** @type {string} */ address) {
  const socket = createSocket('udp4')
  socket.on('message', (query, from) => {
    const answer = answerTo(query)
    if (answer !== undefined) socket.send(answer, from.port, from.address)
  })
  socket.bind(53, address)
  // A query is one segment, with its length before it (RFC 1035 §4.2.2).
  const server = createTcpServer((connection) => {
    connection.on('error', () => {})
    connection.once('data', (query) => {
      const answer = answerTo(query.subarray(2))
      const length = Buffer.alloc(2)
      length.writeUInt16BE(answer?.length ?? 0)
      connection.end(Buffer.concat([length, answer ?? length.subarray(2)]))
    })
  })
  server.listen(53, address)
  await Promise.all([once(socket, 'listening'), once(server, 'listening')])
}

/** @param {Buffer} query */
function answerTo(query) {
  const end = endOfQuestion(query)
  if (end === undefined) return undefined
  const isForIpv4 = query.readUInt16BE(end - 4) === 1
  const head = Buffer.alloc(12)
  query.copy(head, 0, 0, 2)
  head.writeUInt16BE(0x8580, 2) // a response, authoritative, no error
  head.writeUInt16BE(1, 4)
  head.writeUInt16BE(isForIpv4 ? 1 : 0, 6)
  // The name of the question, A, IN, 30 s, 4 bytes: 10.96.0.1.
  const record = Buffer.from('c00c000100010000001e00040a600001', 'hex')
  return Buffer.concat([head, query.subarray(12, end), ...(isForIpv4 ? [record] : [])])
}

/** @param {Buffer} query */
function endOfQuestion(query) {
  let at = 12
  while (at < query.length && query[at] !== 0) at += (query[at] ?? 0) + 1
  return at + 5 <= query.length ? at + 5 : undefined
}

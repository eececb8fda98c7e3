import { EventEmitter } from 'node:events'
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'

/*
 * Most requests to an agent are those of other agents, all of one form. Node's parser and its objects for a request take about a third of
 * the time of such a connection, so these requests are answered without them. Every other request is node:http's, byte for byte.
 */

/** A request of a Scout probe: a GET without a body, whose head is exactly the one that a probe sends by default. */
export interface SimpleRequest {
  /** Path and query. */
  readonly url: string
  /** Source address, as in an exchange. */
  readonly client: string
  readonly response: SimpleResponse
}

/** The response to a simple request. It has the same bytes as that of node:http, and those methods of it that a short one needs. */
export class SimpleResponse extends EventEmitter<{ close: [] }> {
  readonly socket: Socket
  headersSent = false
  readonly #idleMostMs: number
  #head = ''
  #isClosed = false

  /** `idleMostMs` is how long the connection may be idle afterwards. */
  constructor(socket: Socket, idleMostMs: number) {
    super()
    this.socket = socket
    this.#idleMostMs = idleMostMs
  }

  get destroyed(): boolean {
    return !this.socket.writable
  }

  /** `fields` are names and values in turn. */
  writeHead(status: number, fields: readonly string[]): this {
    this.headersSent = true
    this.#head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n`
    for (let i = 0; i < fields.length; i += 2) this.#head += `${fields[i]}: ${fields[i + 1]}\r\n`
    const idleSeconds = Math.floor(this.#idleMostMs / 1000)
    this.#head += `Date: ${new Date().toUTCString()}\r\nConnection: keep-alive\r\nKeep-Alive: timeout=${idleSeconds}\r\n\r\n`
    return this
  }

  /** Sends head and body in one write. Emits `close` when the kernel has taken them, like node:http. */
  end(body: string | Uint8Array): void {
    const { socket } = this
    if (this.destroyed) return
    const onTaken = () => this.settle()
    if (typeof body === 'string') return void socket.write(this.#head + body, onTaken)
    socket.cork()
    socket.write(this.#head)
    socket.write(body, onTaken)
    socket.uncork()
  }

  /** Reports that it is over: the kernel has it, or the connection has ended. */
  settle(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.emit('close')
  }
}

/** What a connection reports while it has had only simple requests. */
export interface SimpleListener {
  /** Answers a request. Returns false to leave it to node:http. */
  onRequest(url: string, response: SimpleResponse): boolean
  /** The answer is over. */
  onAnswered(): void
  /**
   * The next bytes are not a simple request, or come before the answer to the last one is over. They are read again by the next listener
   * of the socket, which this one must add.
   */
  onOther(): void
  onError(): void
}

/** Reads simple requests from a connection, until others come. */
export function readSimpleRequests(socket: Socket, idleMostMs: number, listener: SimpleListener): void {
  let response: SimpleResponse | undefined

  const onData = (bytes: Buffer) => {
    if (socket.writableEnded) return // it has been rejected
    const url = response === undefined ? simpleUrlOf(bytes) : undefined
    if (url !== undefined) {
      const next = new SimpleResponse(socket, idleMostMs)
      if (listener.onRequest(url, next)) {
        response = next
        return void next.once('close', onOver)
      }
    }
    socket.off('data', onData).off('end', onEnd).off('error', onError)
    listener.onOther()
    socket.unshift(bytes)
  }
  const onOver = () => {
    response = undefined
    listener.onAnswered()
  }
  const onEnd = () => {
    // What has been written still leaves; an answer that waits does not, as with node:http.
    if (response !== undefined) socket.end()
    else if (!socket.writableEnded) socket.destroy()
  }
  const onError = () => listener.onError()
  const onClose = () => response?.settle()
  socket.on('data', onData).on('end', onEnd).on('error', onError).on('close', onClose)
}

/** The whole of what was read, from its first byte to its last (net/tcp/http-exchange.ts, fieldsOf). */
const simpleHead =
  /^GET (\/[\w/?=.-]*) HTTP\/1\.1\r\nhost: [\w.:[\]-]+\r\nconnection: keep-alive\r\nuser-agent: scout\r\n\r\n$/

/** What is longer is not a simple request. */
const mostBytes = 512

/** Returns path and query of a simple request; undefined if these bytes are another request, a part of one, or more than one. */
function simpleUrlOf(bytes: Buffer): string | undefined {
  return bytes.length > mostBytes ? undefined : simpleHead.exec(bytes.toString('latin1'))?.[1]
}

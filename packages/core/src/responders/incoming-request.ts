import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** A request and where its answer goes. */
export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Source address. IPv4 addresses are not mapped to IPv6, even on a dual-stack socket. */
  readonly client: string
  /** Allows the answer to take longer than `answerMostMs`: it is a stream, whose sender ends it. */
  readonly streams: () => void
}

/**
 * Ends the parsing of what a client has sent ahead. One read may bring thousands of requests, and Node creates the objects of each even if
 * the first destroys the socket. It has no public way to stop: 2 makes its parser take the rest for another protocol (lib/_http_server.js,
 * parserOnIncoming).
 */
export function stopParsing(socket: Socket): void {
  const parser: unknown = Reflect.get(socket, 'parser')
  if (typeof parser === 'object' && parser !== null) Reflect.set(parser, 'onIncoming', () => 2)
}

/** Returns about how much the head of a request holds, in bytes. */
export function headBytesOf({ rawHeaders, url = '' }: IncomingMessage): number {
  return rawHeaders.reduce((bytes, text) => bytes + text.length, url.length)
}

/**
 * Returns the status for a request that is not answered; undefined if it is. It must name exactly one host: of several, a proxy in front may
 * have used another than this server, and only HTTP/1.0 allows none (RFC 9112 §3.2). Its body must have a length (RFC 9110 §15.5.12): chunks of
 * one byte take far more memory here than on the wire, before anything can be said about them.
 */
export function rejectionOf({ rawHeaders, headers, httpVersion }: IncomingMessage): 400 | 411 | undefined {
  const hosts = rawHeaders.filter((text, index) => index % 2 === 0 && text.toLowerCase() === 'host').length
  if (hosts !== 1 && !(hosts === 0 && httpVersion === '1.0')) return 400
  return headers['transfer-encoding'] === undefined ? undefined : 411
}

import type { Server } from 'node:net'

/** Counters of a responder, which never decrease. */
export interface ResponderCounters {
  answered: number
  /** Requests that were too short, too long, in another format, or not genuine. */
  rejected: number
  /** Answers this host refused to send. */
  unsent: number
  /** Requests that this host dropped unread, because the receive buffer was full. Absent if it cannot tell: only the UDP responder of the native part can. */
  dropped?: number
}

export function createCounters(): ResponderCounters {
  return { answered: 0, rejected: 0, unsent: 0 }
}

/** A running responder. */
export interface Responder {
  readonly port: number
  readonly counters: Readonly<ResponderCounters>
  close(): Promise<void>
}

export interface Listen {
  /** Address to listen on; `::` accepts both families if the host allows it. */
  readonly host: string
  /** Port to listen on; 0 lets the host choose. */
  readonly port: number
}

/** Returns the port of a listening TCP server. */
export function portOf(server: Server): number {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new TypeError('this server is not listening on a port')
  return address.port
}

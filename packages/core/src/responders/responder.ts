import type { Server } from 'node:net'

/** What a responder has seen; only ever grows. */
export interface ResponderCounters {
  answered: number
  /** Too short, too long, not ours, or not genuine: never answered. */
  rejected: number
  /** Answers this host refused to send. */
  unsent: number
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
  /** Address to listen on; `::` takes both families where the host allows it. */
  readonly host: string
  /** 0 lets the host choose. */
  readonly port: number
}

/** The port a listening TCP server got. */
export function portOf(server: Server): number {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new TypeError('this server does not listen on a port')
  return address.port
}

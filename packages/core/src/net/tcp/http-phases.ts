import type { ExchangeTimes } from './connection.ts'
import type { ConnectionTimes } from './connection-observer.ts'
import type { Handshake } from './tcp-info.ts'

export type HttpPhase = 'connect' | 'tls' | 'write' | 'server' | 'transfer'

type PhasesNs = Readonly<Partial<Record<HttpPhase, number>>>

/** Returns the phases by the kernel's times of one connection; undefined if one of them is unknown. */
export function timedPhases(handshake: Handshake | undefined, times: ExchangeTimes | undefined): PhasesNs | undefined {
  if (times?.sentNs === undefined || handshake?.time === undefined) return undefined
  const { connectedNs, sentNs, answeredNs, receivedNs } = times
  const write = sentNs - connectedNs
  const server = answeredNs - sentNs
  // A response in one segment arrives at once. Its transfer takes less than the clock resolves, which is one nanosecond.
  const transfer = Math.max(1, receivedNs - answeredNs)
  return write > 0 && server > 0 ? { connect: handshake.time.tookNs, write, server, transfer } : undefined
}

/**
 * Returns the phases as seen on the wire. Undefined if packets are missing or out of order: the observer dropped some, or the answer came
 * before the request was complete. With TLS, only the TCP handshake can be observed, because a session ticket looks like the first byte
 * of an answer (RFC 8446 §4.6.1).
 */
export function observedPhases(
  times: ConnectionTimes | undefined,
  { isSecure }: { readonly isSecure: boolean },
): PhasesNs | undefined {
  if (times?.synAtNs === undefined || times.synAckAtNs === undefined) return undefined
  const { synAtNs, synAckAtNs, sentAtNs, answeredAtNs, receivedAtNs } = times
  const connect = { connect: synAckAtNs - synAtNs }
  if (isSecure) return connect
  if (sentAtNs === undefined || answeredAtNs === undefined || receivedAtNs === undefined) return undefined
  return {
    ...connect,
    write: sentAtNs - synAckAtNs,
    server: answeredAtNs - sentAtNs,
    transfer: receivedAtNs - answeredAtNs,
  }
}

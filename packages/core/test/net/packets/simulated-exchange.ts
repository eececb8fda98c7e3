import { openExchange, type Stray } from '../../../src/net/packets/exchange.ts'
import { answerOf, type Key, type Shot } from '../../../src/net/packets/fate.ts'
import {
  type PacketAddress,
  type PacketListener,
  type SendingOptions,
  sendEach,
} from '../../../src/net/packets/packet-socket.ts'
import { type Clocks } from '../../../src/time/clock.ts'
import { Deadline } from '../../../src/time/deadline.ts'

export const endpoint = { host: '10.0.0.1', address: '10.0.0.1', family: 'ipv4', port: 7 } as const
export const peer: PacketAddress = { address: '10.0.0.1', family: 'ipv4', port: 7 }

/** An ICMP error: the port is closed. */
export const refusal = { type: 3, code: 3, from: '10.0.0.1' }

interface Setting {
  readonly isShared?: boolean
  readonly sourcePorts?: number
  readonly clocks?: Clocks
  readonly sendError?: Error
  readonly sendManyError?: Error
  readonly keyOf?: (bytes: Uint8Array) => Key | undefined
  /** Returns when the packet of a ticket left; undefined if that is not known. */
  readonly departureOf?: (ticket: number) => number | undefined
  /** Delivers what a socket has received and nobody has read. */
  readonly unread?: (socket: number) => void
}

/** Opens an exchange over a simulated socket. Each packet leaves 100 ns after the previous one; its key is its first byte. */
export function open({
  isShared = false,
  sourcePorts = 1,
  clocks = { tx: 'user', rx: 'user' },
  sendError,
  sendManyError,
  keyOf = ([key]) => key,
  departureOf = (ticket) => ticket * 100,
  unread = () => {},
}: Setting = {}) {
  const strays: Stray[] = []
  const sent: Uint8Array[] = []
  const forgotten: number[] = []
  const listeners: PacketListener[] = []
  const sentFrom: number[] = []
  const options: (SendingOptions | undefined)[] = []
  const closed: number[] = []
  const exchange = openExchange({
    family: 'ipv4',
    isShared,
    sourcePorts,
    keyOf,
    onStray: (stray) => strays.push(stray),
    open: (_, listener) => {
      const index = listeners.push(listener) - 1
      const send = (bytes: Uint8Array, _to: PacketAddress, given?: SendingOptions) => {
        if (sendError !== undefined) throw sendError
        sentFrom.push(index)
        options.push(given)
        return sent.push(bytes) - 1
      }
      return {
        kind: 'datagram',
        clocks,
        port: 40_000 + index,
        send,
        sendMany(packets) {
          if (sendManyError !== undefined) throw sendManyError
          return sendEach(send, packets)
        },
        departure: (ticket) => {
          const atNs = departureOf(ticket)
          return atNs === undefined ? undefined : { atNs, clock: clocks.tx }
        },
        drain: () => unread(index),
        forget: (ticket) => void forgotten.push(ticket),
        close: () => void closed.push(index),
      }
    },
  })
  const [listener] = listeners
  if (listener === undefined) throw new Error('an exchange opens its socket at once')
  return {
    exchange,
    listener,
    listeners,
    strays,
    sent,
    forgotten,
    sentFrom,
    options,
    closed,
    ask: async (shot: Shot<number[]>, deadline = new Deadline(1_000)) =>
      answerOf((await exchange.volley([shot], deadline))[0], shot.to, deadline),
    arrive: (
      key: number,
      { from = peer, atNs = 0, at = 0 }: { from?: PacketAddress; atNs?: number; at?: number } = {},
    ) => listeners[at]?.arrived({ ...from, bytes: Uint8Array.of(key), atNs, clock: clocks.rx }),
    question: (key: number): Shot<number[]> => ({
      bytes: Uint8Array.of(key),
      key,
      to: endpoint,
      read: (bytes) => [...bytes],
    }),
  }
}

import { randomBytes, randomInt } from 'node:crypto'
import type { Endpoint, Family } from '../../model/endpoint.ts'
import { FailureError } from '../../model/failure.ts'
import type { Fate } from '../../net/packets/fate.ts'
import type { PacketAnswer, Question } from '../../net/packets/question.ts'
import type { ExchangeKind, Sockets } from '../../net/sockets.ts'
import type { Deadline } from '../../time/deadline.ts'
import { datagramHeaderBytes } from '../../wire/ip.ts'

/** IP_PMTUDISC_DO sends with DF what this host assumes to pass; IP_PMTUDISC_PROBE ignores what it assumes (ip(7)). */
export const discovery = { obey: 2, probe: 3 } as const

export interface Asking {
  /** Size of the IP packet. */
  readonly bytes: number
  readonly deadline: Deadline
  /** Default: probe. */
  readonly mtuDiscovery?: 2 | 3
}

/** What matters of an answer: a target may cut it off. */
export type Answer = Pick<PacketAnswer, 'flaw'>

/** A kind of packet that asks for an answer. All of them are sent with DF. */
export interface Way {
  readonly name: 'ICMP echo' | 'STAMP' | 'closed UDP port'
  /** Whether the answer has the size of the request. The other way tests only the path to the target. */
  readonly isRoundTrip: boolean
  /** Number of sizes to ask at once. */
  readonly width: number
  ask(asking: Asking): Promise<Fate<Answer>>
  close(): void
}

/** A way that this process has no means for, and why. */
export interface NoWay {
  readonly name: Way['name']
  readonly failure: FailureError
}

/** The largest packet that can be asked: that of IPv4 (RFC 791). */
export const largestPacket = 65_535

/** Asks with ICMP echo requests. */
export function echoWay(sockets: Sockets, endpoint: Endpoint): Way | NoWay {
  const { port: _, ...to } = endpoint
  return wayOf('ICMP echo', sockets, { format: 'echo', to })
}

/** Asks a Scout responder for STAMP answers. */
export function datagramWay(sockets: Sockets, to: Endpoint, key: string): Way | NoWay {
  return wayOf('STAMP', sockets, { format: 'stamp', to, key })
}

function wayOf(name: Way['name'], sockets: Sockets, asked: Omit<Question, 'payloadBytes' | 'send'>): Way | NoWay {
  const asker = sockets.asker(asked)
  const question = (bytes: number, mtuDiscovery: 2 | 3): Question => ({
    ...asked,
    payloadBytes: bytes - datagramHeaderBytes[asked.to.family],
    send: { mtuDiscovery },
  })
  try {
    asker.flows(question(largestPacket, discovery.probe))
  } catch (error) {
    if (error instanceof FailureError) return { name, failure: error }
    throw error
  }
  // One flow, so that all packets take the same path.
  return {
    name,
    isRoundTrip: true,
    width: 16,
    ask: ({ bytes, deadline, mtuDiscovery = discovery.probe }) =>
      asker.ask(question(bytes, mtuDiscovery), { flow: 0, deadline }),
    close() {},
  }
}

/** First of the ports that traceroute uses, because nothing listens there and firewalls expect it. */
const tracePort = 33_434

/**
 * Asks with datagrams to a port where nobody listens. The answer "port unreachable" is short, whatever the size of the datagram (at most
 * 576 bytes, RFC 1812 §4.3.2.3; 1280 over IPv6, RFC 4443 §2.4), so it tests only the path to the target. Hosts limit the rate of such
 * answers: Linux sends six at once and then one a second (icmp_ratelimit).
 */
export function closedPortWay(sockets: Sockets, endpoint: Endpoint): Way | NoWay {
  const name = 'closed UDP port'
  const to = { ...endpoint, port: tracePort + randomInt(90) }
  const kind: ExchangeKind = { protocol: 'mtu', transport: 'udp', keyOf: () => undefined }
  try {
    const exchange = sockets.exchangeAlone(kind, to.family)
    let flow = 0
    return {
      name,
      isRoundTrip: false,
      width: 3,
      async ask({ bytes, deadline, mtuDiscovery = discovery.probe }) {
        const payload = randomBytes(bytes - datagramHeaderBytes[to.family])
        const key = exchange.nextSequence()
        // From ports in turn: an error may quote only ports (RFC 792).
        const shot = {
          bytes: payload,
          key,
          to,
          flow: flow++,
          send: { mtuDiscovery },
          read: (): Answer | undefined => undefined,
        }
        const [fate] = await exchange.volley([shot], deadline)
        return fate ?? { kind: 'silent', mayBeOurs: false }
      },
      close: () => exchange.close(),
    }
  } catch (error) {
    if (error instanceof FailureError) return { name, failure: error }
    throw error
  }
}

/** Whether an ICMP error says that a packet reached its target, where nothing listens. */
export function isPortUnreachable(
  family: Family,
  { type, code }: { readonly type: number; readonly code: number },
): boolean {
  return family === 'ipv4' ? type === 3 && code === 3 : type === 1 && code === 4
}

/** Whether an ICMP error says that a packet is too big: "fragmentation needed" or "packet too big". */
export function isTooBig(family: Family, { type, code }: { readonly type: number; readonly code: number }): boolean {
  return family === 'ipv4' ? type === 3 && code === 4 : type === 2
}

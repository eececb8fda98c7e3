import { z } from 'zod'
import { FailureError } from '../model/failure.ts'
import type { ExchangeKind } from '../net/sockets.ts'
import { echoHeaderBytes, maxPayloadBytes } from '../wire/echo-datagram.ts'
import { bytesToSend, expectationOf, expectOption, mostExpectedBytes, sendOption, shown } from './expectation.ts'
import { ask, definePacketProbe } from './packet.ts'
import { type Attempt, defineProbe } from './probe.ts'

const options = z.object({
  payloadBytes: z
    .int()
    .min(echoHeaderBytes)
    .max(maxPayloadBytes)
    .default(64)
    .describe('size of the UDP payload; sent in fragments if the packet exceeds the MTU'),
  key: z.string().default('').meta({ writeOnly: true }).describe('secret shared by prober and responder'),
  send: sendOption.describe(
    'datagram for a service other than a Scout responder: text with escapes (\\r, \\n, \\x00), or hex: and bytes; payload size and key are not used then',
  ),
  expect: expectOption.describe(
    'what the answer of such a service must contain: text, hex: and bytes, or /a regular expression/ (default: any answer)',
  ),
})

type Options = z.output<typeof options>

export interface UdpDetail {
  readonly payloadBytes: number
  /** Number of the datagram; absent for a service other than a Scout responder. */
  readonly sequence?: number
  readonly ttl?: number
}

const echo = definePacketProbe({
  protocol: 'udp',
  summary: 'send a datagram to a Scout responder, or to any UDP service, and time the reply',
  targetForm: 'host:port',
  format: 'datagram',
  phase: 'echo',
  phases: { echo: 'datagram sent to reply received' },
  options,
  question: ({ payloadBytes, key }) => ({ payloadBytes, key }),
  detail: ({ payloadBytes, sequence, ttl }): UdpDetail => ({
    payloadBytes,
    sequence,
    ...(ttl === undefined ? {} : { ttl }),
  }),
})

export const udp = defineProbe({
  ...echo,
  packet: {
    ...echo.packet,
    question: (to, given: Options) => (isForService(given) ? undefined : echo.packet.question(to, given)),
  },
  measure: (attempt, given) => (isForService(given) ? askService(attempt, given) : echo.measure(attempt, given)),
})

function isForService({ send, expect }: Options): boolean {
  return send !== '' || expect !== ''
}

/** What comes from the target to the socket of the attempt is its answer: there is nothing else to tell by. */
const service: ExchangeKind = { protocol: 'udp', transport: 'udp', keyOf: () => 'answer' }

async function askService(attempt: Attempt<'echo', 'host:port'>, options: Options): Promise<UdpDetail> {
  for (let tries = 0; tries < mostTries; tries++) {
    const answer = await askFromNewPort(attempt, options)
    if (answer !== 'itself') return answer
  }
  throw new FailureError(
    'refused',
    `${attempt.target.text} received its datagrams in the socket that sent them: nothing else listens there, and this host has no other source port free`,
  )
}

/** How often a datagram may come back to its own socket, because the kernel chose the port of the target as its source. */
const mostTries = 4

async function askFromNewPort(
  { endpoint, target, sockets, deadline, record, stopwatch }: Attempt<'echo', 'host:port'>,
  { send, expect }: Options,
): Promise<UdpDetail | 'itself'> {
  const isExpected = expectationOf(expect)
  const sent = bytesToSend(send)
  let unexpected: string | undefined
  const exchange = sockets.exchangeAlone(service, endpoint.family)
  const attempt = { deadline, record, stopwatch }
  try {
    stopwatch.enter('echo')
    const { message, ttl, sourcePort } = await ask(attempt, exchange, {
      bytes: sent,
      key: 'answer',
      to: endpoint,
      read(bytes) {
        if (isExpected(bytes.subarray(0, mostExpectedBytes))) {
          return { payloadBytes: bytes.length, isSame: sent.equals(bytes) }
        }
        unexpected ??= shown(bytes)
        return undefined
      },
    })
    const { payloadBytes, isSame } = message
    if (isSame && sourcePort === endpoint.port) return 'itself'
    return { payloadBytes, ...(ttl === undefined ? {} : { ttl }) }
  } catch (error) {
    if (unexpected === undefined || deadline.reason?.reason !== 'timeout') throw error
    throw new FailureError('bad-reply', `${target.text} answered ${unexpected}, but nothing that contains ${expect}`)
  } finally {
    exchange.close()
  }
}

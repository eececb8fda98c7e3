import { z } from 'zod'
import { FailureError } from '../model/failure.ts'
import type { ExchangeKind } from '../net/sockets.ts'
import {
  decodeEchoDatagram,
  echoHeaderBytes,
  encodeEchoDatagram,
  isGenuineEcho,
  maxPayloadBytes,
} from '../wire/echo-datagram.ts'
import { ask, nextFlow } from './packet.ts'
import { defineProbe } from './probe.ts'

const echoes: ExchangeKind = {
  protocol: 'udp',
  transport: 'udp',
  keyOf: (bytes, _, sender) => {
    const echo = decodeEchoDatagram(bytes)
    return echo?.kind === 'reply' && echo.sender === sender ? echo.sequence : undefined
  },
}

export const udp = defineProbe({
  protocol: 'udp',
  summary: 'send a datagram to a Scout responder and time the reply',
  targetForm: 'host:port',
  needs: 'udp',
  phases: { echo: 'datagram sent to reply received' },
  options: z.object({
    payloadBytes: z
      .int()
      .min(echoHeaderBytes)
      .max(maxPayloadBytes)
      .default(64)
      .describe('size of the UDP payload; sent in fragments if the packet exceeds the MTU'),
    key: z.string().default('').meta({ writeOnly: true }).describe('secret shared by prober and responder'),
  }),
  async measure(attempt, { payloadBytes, key }) {
    const exchange = attempt.sockets.exchange(echoes, attempt.endpoint.family)
    const sequence = exchange.nextSequence()
    const flow = await nextFlow(attempt.session, 'udp flow', exchange)
    attempt.stopwatch.enter('echo')
    const answer = await ask(attempt, exchange, {
      bytes: encodeEchoDatagram({ kind: 'request', sender: exchange.sender, sequence }, payloadBytes, key),
      key: sequence,
      to: attempt.endpoint,
      flow,
      read: (bytes) => ({ payloadBytes: bytes.length, isGenuine: isGenuineEcho(bytes, key) }),
    })
    const { isGenuine, ...received } = answer.message
    if (!isGenuine) {
      throw new FailureError(
        'bad-reply',
        `${attempt.target.text} answered with a tag made with a different key: use the same key on both sides`,
      )
    }
    return { ...received, sequence, ...(answer.ttl === undefined ? {} : { ttl: answer.ttl }) }
  },
})

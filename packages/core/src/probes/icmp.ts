import { z } from 'zod'
import type { ExchangeKind } from '../net/sockets.ts'
import { defineProbe } from '../probe.ts'
import { decodeEcho, encodeEcho } from '../wire/icmp.ts'

/** Session and sequence, 8 and 4 bytes: the 16 bits of the ICMP header wrap within minutes at 500 probes a second. */
const tokenBytes = 12

const echoes: ExchangeKind = {
  protocol: 'icmp',
  transport: 'icmp',
  keyOf: (bytes, family, session) => {
    const echo = decodeEcho(family, bytes)
    if (echo?.kind !== 'reply' || echo.payload.length < tokenBytes) return undefined
    const token = new DataView(echo.payload.buffer, echo.payload.byteOffset, tokenBytes)
    return token.getBigUint64(0) === session ? token.getUint32(8) : undefined
  },
}

export const icmp = defineProbe({
  protocol: 'icmp',
  summary: 'send an ICMP echo request and time the reply',
  targetForm: 'host',
  medium: 'icmp',
  phases: { echo: 'echo request sent to echo reply received' },
  options: z.object({
    payloadBytes: z
      .int()
      .min(tokenBytes)
      .max(65_507)
      .default(56)
      .describe('bytes after the ICMP header; 56 makes a packet of 84 bytes over IPv4, as ping does'),
  }),
  async measure(attempt, { payloadBytes }) {
    const { family } = attempt.endpoint
    const exchange = attempt.sockets.exchange(echoes, family)
    const sequence = exchange.nextSequence()
    const payload = Buffer.allocUnsafe(payloadBytes).fill(0, tokenBytes)
    payload.writeBigUInt64BE(exchange.session, 0)
    payload.writeUInt32BE(sequence, 8)
    attempt.stopwatch.enter('echo')
    const answer = await exchange.ask({
      bytes: encodeEcho(family, {
        kind: 'request',
        identifier: Number(exchange.session & 0xffffn),
        sequence: sequence & 0xffff,
        payload,
      }),
      key: sequence,
      endpoint: attempt.endpoint,
      deadline: attempt.deadline,
      read: () => undefined,
    })
    attempt.stopwatch.settle(answer.tookNs, answer.clocks)
    return { payloadBytes, sequence: sequence & 0xffff, ...(answer.ttl === undefined ? {} : { ttl: answer.ttl }) }
  },
})

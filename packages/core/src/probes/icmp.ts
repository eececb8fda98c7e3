import { z } from 'zod'
import type { ExchangeKind } from '../net/sockets.ts'
import { readUint32, writeUint32 } from '../wire/bytes.ts'
import { echoHeaderBytes, echoKindOf, encodeEcho } from '../wire/icmp.ts'
import { ask } from './packet.ts'
import { defineProbe } from './probe.ts'

/**
 * Layout of the payload's first bytes, which identify a probe: the 16-bit sequence of the ICMP header wraps within minutes at 500 probes
 * a second. A reply must return the whole payload (RFC 792).
 */
const token = { sender: 0, sequence: 4, length: 8, bytes: 12 } as const

const echoes: ExchangeKind = {
  protocol: 'icmp',
  transport: 'icmp',
  keyOf: (message, family, sender) => {
    if (message.length < echoHeaderBytes + token.bytes) return undefined
    if (readUint32(message, echoHeaderBytes + token.sender) !== sender) return undefined
    if (readUint32(message, echoHeaderBytes + token.length) !== message.length - echoHeaderBytes) return undefined
    if (echoKindOf(family, message) !== 'reply') return undefined
    return readUint32(message, echoHeaderBytes + token.sequence)
  },
}

export const icmp = defineProbe({
  protocol: 'icmp',
  summary: 'send an ICMP echo request and time the reply',
  targetForm: 'host',
  needs: 'icmp',
  phases: { echo: 'echo request sent to echo reply received' },
  options: z.object({
    payloadBytes: z
      .int()
      .min(token.bytes)
      .max(65_507)
      .default(56)
      .describe('bytes after the ICMP header; 56 results in 84-byte packets over IPv4, as with ping'),
  }),
  async measure(attempt, { payloadBytes }) {
    const { endpoint, sockets, stopwatch } = attempt
    const exchange = sockets.exchange(echoes, endpoint.family)
    const sequence = exchange.nextSequence()
    const payload = new Uint8Array(payloadBytes)
    writeUint32(payload, token.sender, exchange.sender)
    writeUint32(payload, token.sequence, sequence)
    writeUint32(payload, token.length, payloadBytes)
    const echo = {
      kind: 'request',
      identifier: exchange.sender & 0xffff,
      sequence: sequence & 0xffff,
      payload,
    } as const
    stopwatch.enter('echo')
    const bytes = encodeEcho(endpoint.family, echo)
    const { ttl } = await ask(attempt, exchange, { bytes, key: sequence, to: endpoint, read: () => undefined })
    return { payloadBytes, sequence: echo.sequence, ...(ttl === undefined ? {} : { ttl }) }
  },
})

import { randomInt } from 'node:crypto'
import { z } from 'zod'
import { FailureError } from '../model/failure.ts'
import type { ExchangeKind } from '../net/sockets.ts'
import { nowNs } from '../time/clock.ts'
import { encodeSyn, sealSegment } from '../wire/syn.ts'
import { decodeTcpHeader } from '../wire/tcp-header.ts'
import { ask } from './packet.ts'
import { defineProbe } from './probe.ts'

/*
 * A half-open handshake. The SYN leaves through a raw socket, from a port that a bound socket reserves. No socket owns the connection,
 * so the kernel answers a SYN-ACK with RST, as intended: the target drops the connection at once, its application never sees it, and
 * only its TcpAttemptFails counter grows. A firewall that drops this RST, such as a rule against port scanners, leaves half-open
 * connections at the target.
 */

const answers: ExchangeKind = {
  protocol: 'syn',
  transport: 'tcp',
  keyOf: (bytes) => {
    const segment = decodeTcpHeader(bytes)
    // RFC 9293 §3.10.7.3: the answer to a SYN is SYN-ACK or RST-ACK. Only these acknowledge it.
    if (segment === undefined || !segment.isAck || (!segment.isSyn && !segment.isReset)) return undefined
    return keyOf(segment.sourcePort, segment.destinationPort, segment.acknowledgment - 1)
  },
}

export const syn = defineProbe({
  protocol: 'syn',
  summary: 'time a half-open TCP handshake, which the application never sees: open, closed or filtered',
  targetForm: 'host:port',
  needs: 'tcp',
  phases: { handshake: 'SYN sent to SYN-ACK or RST received' },
  options: z.object({}),
  async measure(attempt) {
    const { family, address, port = 0 } = attempt.endpoint
    const exchange = attempt.sockets.exchange(answers, family)
    const sourcePort = exchange.ports[exchange.nextSequence() % exchange.ports.length] ?? 0
    const sequence = randomInt(2 ** 32)
    const bytes = encodeSyn({
      sourcePort,
      destinationPort: port,
      sequence,
      mss: family === 'ipv4' ? 1460 : 1440,
      timestamp: Math.floor(nowNs() / 1e6) >>> 0,
    })
    if (family === 'ipv4') sealSegment(bytes, attempt.sockets.sourceAddress(family, address), address)
    attempt.stopwatch.enter('handshake')
    const answer = await ask(attempt, exchange, {
      bytes,
      key: keyOf(port, sourcePort, sequence),
      // A raw socket sends to an address; the port is in the segment.
      to: { host: attempt.endpoint.host, address, family },
      read: decodeTcpHeader,
    })
    if (answer.message?.isReset === true) {
      throw new FailureError(
        'refused',
        `${attempt.target.text} answered the SYN with RST: nothing is listening there, or a firewall rejects it`,
        {
          code: 'RST',
        },
      )
    }
    return { sourcePort, ...(answer.ttl === undefined ? {} : { ttl: answer.ttl }) }
  },
})

function keyOf(remotePort: number, localPort: number, sequence: number): string {
  return `${remotePort} ${localPort} ${sequence >>> 0}`
}

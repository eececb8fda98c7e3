import { z } from 'zod'
import { FailureError } from '../model/failure.ts'
import { echoHeaderBytes, maxPayloadBytes } from '../wire/echo-datagram.ts'
import { definePacketProbe } from './packet.ts'

export const udp = definePacketProbe({
  protocol: 'udp',
  summary: 'send a datagram to a Scout responder and time the reply',
  targetForm: 'host:port',
  format: 'datagram',
  phase: 'echo',
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
  question: ({ payloadBytes, key }) => ({ payloadBytes, key }),
  detail({ payloadBytes, sequence, ttl, isGenuine, target }) {
    if (!isGenuine) {
      throw new FailureError(
        'bad-reply',
        `${target.text} answered with a tag made with a different key: use the same key on both sides`,
      )
    }
    return { payloadBytes, sequence, ...(ttl === undefined ? {} : { ttl }) }
  },
})

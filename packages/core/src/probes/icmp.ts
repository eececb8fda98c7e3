import { z } from 'zod'
import { tokenBytes } from '../net/packets/script-asker.ts'
import { definePacketProbe } from './packet.ts'

export const icmp = definePacketProbe({
  protocol: 'icmp',
  summary: 'send an ICMP echo request and time the reply',
  targetForm: 'host',
  format: 'echo',
  phase: 'echo',
  phases: { echo: 'echo request sent to echo reply received' },
  options: z.object({
    payloadBytes: z
      .int()
      .min(tokenBytes)
      .max(65_507)
      .default(56)
      .describe('bytes after the ICMP header; 56 results in 84-byte packets over IPv4, as with ping'),
  }),
  question: ({ payloadBytes }) => ({ payloadBytes }),
  detail: ({ payloadBytes, sequence, ttl }) => ({
    payloadBytes,
    sequence: sequence & 0xffff,
    ...(ttl === undefined ? {} : { ttl }),
  }),
})

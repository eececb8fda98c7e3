import { z } from 'zod'
import { tokenBytes } from '../net/packets/script-asker.ts'
import { definePacketProbe } from './packet.ts'

/** Modes of IP_MTU_DISCOVER (ip(7)): IP_PMTUDISC_PROBE and IP_PMTUDISC_DONT. */
const mtuDiscovery = { on: 3, off: 0 } as const

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
    dontFragment: z
      .enum(['on', 'off'])
      .optional()
      .describe(
        'DF: on sends in one piece, whatever this host assumes to pass; off lets hosts and routers fragment (default: the kernel decides)',
      ),
  }),
  question: ({ payloadBytes, dontFragment }) => ({
    payloadBytes,
    ...(dontFragment === undefined ? {} : { send: { mtuDiscovery: mtuDiscovery[dontFragment] } }),
  }),
  detail: ({ payloadBytes, sequence, ttl }) => ({
    payloadBytes,
    sequence: sequence & 0xffff,
    ...(ttl === undefined ? {} : { ttl }),
  }),
})

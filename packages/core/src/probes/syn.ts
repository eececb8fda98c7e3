import { z } from 'zod'
import { FailureError } from '../model/failure.ts'
import { flowsOption, type SeenFlows } from './flows.ts'
import { definePacketProbe } from './packet.ts'

export interface SynDetail extends SeenFlows {
  readonly sourcePort: number
  readonly ttl?: number
}

/** A half-open handshake: native/formats.c builds it and says what it does to the target. */
export const syn = definePacketProbe({
  protocol: 'syn',
  summary: 'time a half-open TCP handshake, which the application never sees: open, closed or filtered',
  targetForm: 'host:port',
  format: 'syn',
  phase: 'handshake',
  phases: { handshake: 'SYN sent to SYN-ACK or RST received' },
  options: z.object({ flows: flowsOption }),
  question: () => ({ payloadBytes: 0 }),
  flows: ({ flows }) => flows,
  detail({ isReset, sourcePort, ttl, target }): SynDetail {
    if (isReset) {
      throw new FailureError(
        'refused',
        `${target.text} answered the SYN with RST: nothing is listening there, or a firewall rejects it`,
        { code: 'RST' },
      )
    }
    return { sourcePort, ...(ttl === undefined ? {} : { ttl }) }
  },
})

import { z } from 'zod'
import { isSystemError } from '../model/failure.ts'
import { type Connected, openConnection } from '../net/tcp/connection.ts'
import type { Handshake } from '../net/tcp/tcp-info.ts'
import { type Attempt, defineProbe } from './probe.ts'

export const tcp = defineProbe({
  protocol: 'tcp',
  summary: 'time a TCP handshake',
  targetForm: 'host:port',
  needs: 'handshake',
  phases: { connect: 'SYN sent to SYN-ACK received' },
  options: z.object({}),
  async measure(attempt) {
    attempt.stopwatch.enter('connect')
    const { handshake = {}, sourcePort, isResetAtOnce } = await connected(attempt)
    const { time, ...facts } = handshake
    if (time !== undefined) attempt.stopwatch.settle(time.tookNs, time.clocks)
    return { ...(sourcePort === undefined ? {} : { sourcePort }), isResetAtOnce, ...facts }
  },
})

/**
 * Resolves when the handshake is complete, to whether the other side reset the connection at once. Linux reports a RST to a SYN as
 * ECONNREFUSED, and a RST to an established connection as ECONNRESET or EPIPE (net/ipv4/tcp_input.c, tcp_reset).
 */
function connected({
  sockets,
  endpoint,
  deadline,
  record,
}: Attempt<'connect'>): Promise<Connected & { readonly isResetAtOnce: boolean }> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error, { synRetransmits }: Handshake = {}) => {
      if (synRetransmits !== undefined) record({ detail: { synRetransmits } })
      connection.close()
      reject(error)
    }
    const connection = openConnection(
      { sockets, endpoint },
      { isStamped: false, isUndelayed: false },
      {
        onConnected(outcome) {
          connection.close()
          resolve({ ...outcome, isResetAtOnce: false })
        },
        onError(error, outcome = { handshake: undefined, sourcePort: undefined }) {
          if (!isSystemError(error) || (error.code !== 'ECONNRESET' && error.code !== 'EPIPE'))
            return fail(error, outcome.handshake)
          connection.close()
          resolve({ ...outcome, isResetAtOnce: true })
        },
      },
    )
    deadline.onOver((reason) => fail(reason, connection.handshake()))
  })
}

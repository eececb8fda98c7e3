import type { Socket } from 'node:net'
import { z } from 'zod'
import { isSystemError } from '../model/failure.ts'
import { handshakeOf } from '../net/tcp/tcp-info.ts'
import type { Deadline } from '../time/deadline.ts'
import { defineProbe } from './probe.ts'

export const tcp = defineProbe({
  protocol: 'tcp',
  summary: 'time a TCP handshake',
  targetForm: 'host:port',
  needs: 'handshake',
  phases: { connect: 'SYN sent to SYN-ACK received' },
  options: z.object({}),
  async measure(attempt) {
    attempt.stopwatch.enter('connect')
    const socket = attempt.sockets.connect(attempt.endpoint)
    try {
      const isResetAtOnce = await connected(socket, attempt.deadline)
      const { time, ...handshake } = handshakeOf(socket) ?? {}
      if (time !== undefined) attempt.stopwatch.settle(time.tookNs, time.clocks)
      const { localPort } = socket
      return { ...(localPort === undefined ? {} : { sourcePort: localPort }), isResetAtOnce, ...handshake }
    } catch (error) {
      const { synRetransmits } = handshakeOf(socket) ?? {}
      if (synRetransmits !== undefined) attempt.record({ detail: { synRetransmits } })
      throw error
    } finally {
      socket.destroy()
    }
  },
})

/**
 * Resolves when the handshake is complete, to whether the other side reset the connection at once. Linux reports a RST to a SYN as
 * ECONNREFUSED, and a RST to an established connection as ECONNRESET or EPIPE (net/ipv4/tcp_input.c, tcp_reset).
 */
function connected(socket: Socket, deadline: Deadline): Promise<boolean> {
  return new Promise((resolve, reject) => {
    deadline.onOver(reject)
    socket.once('connect', () => resolve(false))
    // Not `once`: a reset may follow the handshake before the socket is destroyed.
    socket.on('error', (error) => {
      if (isSystemError(error) && (error.code === 'ECONNRESET' || error.code === 'EPIPE')) resolve(true)
      else reject(error)
    })
  })
}

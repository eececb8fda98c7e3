import { FailureError, isSystemError } from '../model/failure.ts'
import type { BytesListener } from '../net/tcp/bytes.ts'
import { expectationOf, mostExpectedBytes, shown } from './expectation.ts'
import type { Attempt } from './probe.ts'

export type TcpPhase = 'connect' | 'answer'
export type TcpAttempt = Attempt<TcpPhase, 'host:port'>

export interface TcpOptions {
  readonly send: string
  readonly expect: string
}

/** What has arrived of an answer. */
export interface Received {
  bytes: Buffer
}

/**
 * Returns whether the other side reset a connection that it had accepted. Linux reports a RST to a SYN as ECONNREFUSED, and a RST to an
 * established connection as ECONNRESET or EPIPE (net/ipv4/tcp_input.c, tcp_reset).
 */
export function isResetAfterHandshake(error: Error): boolean {
  return isSystemError(error) && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
}

/** Returns the failure of an exchange that its deadline ended: a service that answered otherwise was not silent. */
export function endedBefore(reason: FailureError, { bytes }: Received, expect: string): FailureError {
  if (reason.reason !== 'timeout' || bytes.length === 0) return reason
  return new FailureError('timeout', `${reason.message} that contains ${expect}, only ${beginningOf(bytes)}`)
}

/** Collects an answer in `received`. Calls `resolve` with its size when it has what is expected. */
export function answerListener(
  { target }: Pick<TcpAttempt, 'target'>,
  { expect, received }: { readonly expect: string; readonly received: Received },
  { resolve, reject }: { readonly resolve: (answerBytes: number) => void; readonly reject: (error: unknown) => void },
): BytesListener {
  const isExpected = expectationOf(expect)
  const without = expect === '' ? '' : ` without ${expect}`
  const fail = (what: string) => {
    const after = received.bytes.length === 0 ? '0 bytes' : beginningOf(received.bytes)
    reject(new FailureError('bad-reply', `${target.text} ${what} after ${after}`))
  }
  return {
    onBytes(arrived) {
      received.bytes = Buffer.concat([received.bytes, arrived])
      try {
        if (isExpected(received.bytes.subarray(0, mostExpectedBytes))) resolve(received.bytes.length)
        else if (received.bytes.length >= mostExpectedBytes) fail(`answered${without}, given up`)
      } catch (error) {
        reject(error)
      }
    },
    onEnd: () => fail(`closed the connection${without}`),
    onError: reject,
  }
}

function beginningOf(bytes: Buffer): string {
  return `${bytes.length} bytes, which began with ${shown(bytes)}`
}

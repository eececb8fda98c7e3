import { describe, expect, test } from 'vitest'
import {
  FailureError,
  type FailureReason,
  failureErrorOf,
  icmpFailure,
  isSystemError,
  outcomeFor,
  reasons,
} from '../../src/model/failure.ts'

test.for<[code: string, reason: FailureReason]>([
  ['ECONNREFUSED', 'refused'],
  ['ECONNRESET', 'reset'],
  ['EPIPE', 'reset'],
  ['ECONNABORTED', 'reset'],
  ['EHOSTUNREACH', 'unreachable'],
  ['ENETUNREACH', 'unreachable'],
  ['EHOSTDOWN', 'unreachable'],
  ['ENETDOWN', 'unreachable'],
  ['ENOPROTOOPT', 'unreachable'],
  ['EINVAL', 'unreachable'],
  ['EACCES', 'prohibited'],
  ['EPERM', 'prohibited'],
  ['ETIMEDOUT', 'timeout'],
  ['EMSGSIZE', 'too-big'],
  ['EADDRNOTAVAIL', 'local-error'],
  ['EMFILE', 'local-error'],
  ['ENOBUFS', 'local-error'],
  ['EAFNOSUPPORT', 'not-supported'],
  ['ESOMETHINGNEW', 'local-error'],
])('%s means %s, and both are kept', ([code, reason]) => {
  const cause = systemError(code)
  expect(failureErrorOf(cause, 'trying')).toMatchObject({ reason, code, cause })
  expect(reasons).toHaveProperty(reason)
})

describe('the message', () => {
  test('contains what was tried, the system error and its meaning', () => {
    expect(failureErrorOf(systemError('ECONNREFUSED'), 'tcp probe of 10.0.0.1:80').message).toMatchInlineSnapshot(
      `"tcp probe of 10.0.0.1:80: ECONNREFUSED (nothing is listening there, or a firewall rejects the port)"`,
    )
  })

  test('contains no explanation of an unknown code', () => {
    expect(failureErrorOf(systemError('EXFULL'), 'sending').message).toBe('sending: EXFULL')
  })
})

test.for([
  [{ type: 3, code: 3 }, 'ipv4', 'refused'],
  [{ type: 3, code: 1 }, 'ipv4', 'unreachable'],
  [{ type: 3, code: 13 }, 'ipv4', 'prohibited'],
  [{ type: 11, code: 0 }, 'ipv4', 'expired'],
  [{ type: 3, code: 0 }, 'ipv6', 'expired'],
  [{ type: 2, code: 0 }, 'ipv6', 'too-big'],
] as const)('ICMP %o over %s means %s, and the error is kept as data', ([{ type, code }, family, reason]) => {
  const icmp = { type, code, from: '192.0.2.1' }
  expect(icmpFailure(icmp, { family, address: '192.0.2.9' })).toMatchObject({
    reason,
    icmp,
    code: `ICMP ${type}/${code}`,
  })
})

test('an expired hop limit is not explained as a missing route', () => {
  const { message } = icmpFailure({ type: 11, code: 0, from: '192.0.2.1' }, { family: 'ipv4', address: '192.0.2.9' })
  expect(message).toMatchInlineSnapshot(
    `"192.0.2.1 answered with ICMP type 11 code 0 to a packet for 192.0.2.9 (the packet crossed more routers than its TTL allows: look for a routing loop)"`,
  )
})

test('only failures of the path or the target count against a link', () => {
  const counted = Object.keys(reasons).filter((reason) => outcomeFor(reason as FailureReason) === 'failure')
  expect(counted.map((reason) => reasons[reason as FailureReason].blames)).toSatisfy((blames: string[]) =>
    blames.every((blame) => blame === 'path' || blame === 'target'),
  )
  expect(['local-error', 'unresolved', 'cancelled'].map((reason) => outcomeFor(reason as FailureReason))).toEqual(
    Array.from({ length: 3 }, () => 'inconclusive'),
  )
  expect(['not-permitted', 'not-supported'].map((reason) => outcomeFor(reason as FailureReason))).toEqual([
    'unable',
    'unable',
  ])
})

test('passes a FailureError through unchanged', () => {
  const failure = new FailureError('tls', 'handshake failed')
  expect(failureErrorOf(failure, 'trying')).toBe(failure)
})

test.for([new TypeError('a defect'), Object.assign(new Error('node'), { code: 'ERR_INVALID_URL' }), 'text', undefined])(
  'rethrows any other error: %s',
  (defect) => {
    expect(() => failureErrorOf(defect, 'trying')).toThrow()
  },
)

test.for(['ENOTFOUND', 'EAI_AGAIN', 'EAI_NODATA', 'E2BIG'])('%s is a system error code', (code) => {
  expect(isSystemError(systemError(code))).toBe(true)
})

test.for(['ERR_SOCKET_BAD_PORT', 'UND_ERR_SOCKET', 'HPE_INVALID_VERSION', 'exception'])(
  '%s is no code of the system',
  (code) => {
    expect(isSystemError(systemError(code))).toBe(false)
  },
)

function systemError(code: string): Error {
  return Object.assign(new Error(code), { code })
}

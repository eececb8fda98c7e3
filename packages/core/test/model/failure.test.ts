import { describe, expect, test } from 'vitest'
import {
  FailureError,
  type FailureReason,
  failureErrorOf,
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

test('a broadcast address is not blamed on a firewall alone', () => {
  expect(failureErrorOf(systemError('EACCES'), 'sending').message).toContain('or it is a broadcast address')
})

test.for(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EAGAIN', 'EADDRNOTAVAIL', 'EADDRINUSE'])(
  '%s is a shortage of this host, which does not count against a link, and comes with a remedy',
  (code) => {
    const { reason, message } = failureErrorOf(systemError(code), 'trying')
    expect(outcomeFor(reason)).toBe('inconclusive')
    expect(message).toMatch(/: \w+ \(.*: .*(raise|widen|choose)/)
  },
)

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

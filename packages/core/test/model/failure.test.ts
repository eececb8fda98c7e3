import { describe, expect, test } from 'vitest'
import {
  FailureError,
  type FailureReason,
  failureErrorOf,
  failureReasons,
  isSystemError,
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
  expect(failureReasons).toHaveProperty(reason)
})

describe('the sentence', () => {
  test('says what was tried, what the system answered and what that means', () => {
    expect(failureErrorOf(systemError('ECONNREFUSED'), 'tcp probe of 10.0.0.1:80').message).toMatchInlineSnapshot(
      `"tcp probe of 10.0.0.1:80: ECONNREFUSED (nobody listens there, or a firewall rejects the port)"`,
    )
  })

  test('explains nothing where the code is unknown', () => {
    expect(failureErrorOf(systemError('EXFULL'), 'sending').message).toBe('sending: EXFULL')
  })
})

test('a failure passes as it is', () => {
  const failure = new FailureError('tls', 'handshake failed')
  expect(failureErrorOf(failure, 'trying')).toBe(failure)
})

test.for([new TypeError('a defect'), Object.assign(new Error('node'), { code: 'ERR_INVALID_URL' }), 'text', undefined])(
  'anything else is thrown on: %s',
  (defect) => {
    expect(() => failureErrorOf(defect, 'trying')).toThrow()
  },
)

test.for(['ENOTFOUND', 'EAI_AGAIN', 'EAI_NODATA', 'E2BIG'])('%s is a code of the system', (code) => {
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

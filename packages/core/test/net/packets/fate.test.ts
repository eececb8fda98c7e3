import { describe, expect, test } from 'vitest'
import { FailureError } from '../../../src/model/failure.ts'
import {
  answerOf,
  doubts,
  type Fate,
  fateOfError,
  icmpErrorOf,
  packetsOf,
  unsentFate,
} from '../../../src/net/packets/fate.ts'
import { timedOutAfter } from '../../../src/time/deadline.ts'

const to = { host: 'scout.example', address: '10.0.0.9', family: 'ipv4', port: 7 } as const

const answered = (atNs: number, copies = 1): Fate<string> => ({
  kind: 'answered',
  message: 'yes',
  tookNs: 5,
  clocks: { tx: 'kernel', rx: 'kernel' },
  atNs,
  sourcePort: 0,
  copies,
})
const silent: Fate<never> = { kind: 'silent', mayBeOurs: false }
const unsent: Fate<never> = { kind: 'unsent', code: 'ENETUNREACH' }

describe('the packets of a volley', () => {
  test('are sent unless this host refused them', () => {
    const icmp = fateOfError(
      { code: 'EHOSTUNREACH', icmp: { type: 3, code: 1, from: '10.0.0.1' }, to, atNs: 9, clock: 'kernel' },
      undefined,
    )
    expect(packetsOf([answered(1), silent, unsent, icmp])).toEqual({
      sent: 3,
      returned: 1,
      duplicated: 0,
      reordered: 0,
      late: 0,
    })
  })

  test('are duplicated once for each further copy, and late if the answer came after the end', () => {
    const late: Fate<never> = { kind: 'silent', mayBeOurs: false, lateNs: 12 }
    expect(packetsOf([answered(1, 3), answered(2, 2), late, silent])).toMatchObject({
      returned: 2,
      duplicated: 3,
      late: 1,
    })
  })

  test('are reordered if their answer arrived before that of an earlier one', () => {
    const reordered = (...arrivalsNs: readonly number[]) => packetsOf(arrivalsNs.map((ns) => answered(ns))).reordered
    expect(reordered(1, 2, 2, 3)).toBe(0)
    expect(reordered(5, 1, 2, 6)).toBe(2)
    expect(reordered(5, 4, 6, 5)).toBe(2)
  })
})

describe('the answer of an only packet', () => {
  const timedOut = timedOutAfter(20)
  const cancelled = new FailureError('cancelled', 'the caller cancelled the attempt')
  const deadline = (reason?: FailureError) => ({ reason, timedOut: () => timedOut })
  const failureOf = (fate: Fate<string> | undefined, reason?: FailureError) => {
    try {
      answerOf(fate, to, deadline(reason))
    } catch (error) {
      return error
    }
    throw new Error('it was answered')
  }

  test('is its fate if it was answered', () => {
    const fate = answered(1)
    expect(answerOf(fate, to, deadline())).toBe(fate)
  })

  test('is an ICMP error with its sender', () => {
    const error = { type: 3, code: 1, from: '10.0.0.1' }
    const fate: Fate<never> = { kind: 'icmp', error, tookNs: 5, clocks: { tx: 'kernel', rx: 'kernel' } }
    expect(failureOf(fate)).toMatchObject({ reason: 'unreachable', icmp: error })
  })

  test('is a timeout if it was silent until the deadline', () => {
    expect(failureOf(silent, timedOut)).toBe(timedOut)
  })

  test('is a timeout if its answer came late, even before the deadline had ended', () => {
    const late: Fate<never> = { kind: 'silent', mayBeOurs: true, lateNs: 3 }
    expect(failureOf(late)).toBe(timedOut)
    expect(failureOf(late, cancelled)).toBe(cancelled)
  })

  test('is an error of this host if it dropped packets meanwhile, except in a cancelled attempt', () => {
    const dropped: Fate<never> = { kind: 'silent', mayBeOurs: true }
    for (const reason of [timedOut, undefined]) {
      expect(failureOf(dropped, reason)).toMatchObject({
        reason: 'local-error',
        code: 'ENOBUFS',
        message: expect.stringMatching(/^no answer from 10\.0\.0\.9 was seen, but this host dropped packets/),
      })
    }
    expect(failureOf(dropped, cancelled)).toBe(cancelled)
  })

  test.each([
    ['otherKey', 'answered with an HMAC made with a different key: use the same key on both sides'],
    [
      'altered',
      'answered without the bytes it was sent: the target, or a device on the path, cuts off or replaces them',
    ],
    [
      'stranger',
      'answered, but not as a STAMP reflector with this key: another service is listening there, which needs the options send and expect, or a reflector with another key',
    ],
  ] as const)('is a bad reply if only something else came back: %s', (doubt, message) => {
    const fate: Fate<never> = { kind: 'silent', mayBeOurs: false, doubt }
    expect(failureOf(fate, timedOut)).toMatchObject({ reason: 'bad-reply', message: `10.0.0.9:7 ${message}` })
    expect(failureOf(fate, cancelled)).toBe(cancelled)
    const ofPing = () => answerOf(fate, { ...to, port: 0 }, { reason: timedOut, timedOut: () => timedOut })
    expect(ofPing).toThrow(`10.0.0.9 ${message}`)
  })

  test('is doubted first for what only another key explains, last for what anything may have sent', () => {
    expect(doubts).toEqual(['otherKey', 'altered', 'stranger'])
  })

  test('is cancelled if the prober was closed before the deadline', () => {
    for (const fate of [silent, { kind: 'unsent', code: 'ECANCELED' } as const]) {
      expect(failureOf(fate, cancelled)).toBe(cancelled)
      expect(failureOf(fate)).toMatchObject({
        reason: 'cancelled',
        message: 'the prober was closed while this attempt waited for an answer',
      })
    }
  })

  test.each([
    {
      code: 'EBUSY',
      failure: { reason: 'local-error', code: undefined },
      message: /^cannot send to 10\.0\.0\.9: all sequence numbers are in use/,
    },
    {
      code: 'ENOTSUP',
      failure: { reason: 'not-supported', code: 'ENOTSUP' },
      message: /^cannot send to 10\.0\.0\.9 with options of the packet/,
    },
    {
      code: 'EPERM',
      failure: { reason: 'prohibited', code: 'EPERM' },
      message: /^sending to 10\.0\.0\.9 port 7: EPERM/,
    },
  ])('says why it was not sent: $code', ({ code, failure, message }) => {
    expect(failureOf({ kind: 'unsent', code })).toMatchObject({ ...failure, message: expect.stringMatching(message) })
  })

  test('names the size that passes if that is known, and if size is why it was not sent', () => {
    const message = (fate: Fate<never>) => String(failureOf(fate))
    expect(message({ kind: 'unsent', code: 'EMSGSIZE', mtu: 1_400 })).toContain(
      'port 7, where packets of up to 1400 bytes pass as far as this host knows',
    )
    expect(message({ kind: 'unsent', code: 'EMSGSIZE' })).not.toContain('bytes pass')
  })

  test('names no port if there is none', () => {
    for (const port of [0, undefined]) {
      const { port: _, ...rest } = to
      const endpoint = port === undefined ? rest : { ...rest, port }
      expect(() => answerOf(unsent, endpoint, deadline())).toThrow(/^sending to 10\.0\.0\.9: ENETUNREACH/)
    }
  })

  test('is a bug if there is no fate', () => {
    expect(failureOf(undefined)).toBeInstanceOf(TypeError)
    expect(failureOf(undefined)).toMatchObject({ message: 'a volley has a fate for each shot' })
  })
})

describe('an ICMP error', () => {
  const from = '10.0.0.1'

  test.each([
    { family: 'ipv4', type: 3, code: 4, info: 1_400, mtu: { mtu: 1_400 } },
    { family: 'ipv4', type: 3, code: 4, info: 0, mtu: {} },
    { family: 'ipv4', type: 3, code: 1, info: 1_400, mtu: {} },
    { family: 'ipv4', type: 11, code: 4, info: 1_400, mtu: {} },
    { family: 'ipv4', type: 2, code: 0, info: 1_400, mtu: {} },
    { family: 'ipv6', type: 2, code: 0, info: 1_280, mtu: { mtu: 1_280 } },
    { family: 'ipv6', type: 2, code: 0, info: 0, mtu: {} },
    { family: 'ipv6', type: 3, code: 4, info: 1_280, mtu: {} },
  ] as const)('of $family, type $type and code $code with $info has the MTU $mtu', ({ family, mtu, ...error }) => {
    const { type, code } = error
    expect(icmpErrorOf(family, { ...error, from })).toEqual({ type, code, from, ...mtu })
  })

  const error = { code: 'EHOSTUNREACH', icmp: { type: 3, code: 1, from }, to, atNs: 90, clock: 'kernel' } as const

  test('took the time since its packet left, by both clocks', () => {
    expect(fateOfError(error, { atNs: 30, clock: 'user' })).toEqual({
      kind: 'icmp',
      error: error.icmp,
      tookNs: 60,
      clocks: { tx: 'user', rx: 'kernel' },
    })
  })

  test('took no time if its departure is unknown', () => {
    expect(fateOfError(error, undefined)).toMatchObject({ tookNs: 0, clocks: { tx: 'kernel', rx: 'kernel' } })
  })

  test('that is known as an errno alone says that the packet was not sent', () => {
    expect(fateOfError({ code: 'EHOSTUNREACH', to, atNs: 90, clock: 'kernel' }, undefined)).toEqual({
      kind: 'unsent',
      code: 'EHOSTUNREACH',
    })
  })
})

describe('what a socket refused', () => {
  test('is unsent with its code, and with the MTU if it names one', () => {
    expect(unsentFate(Object.assign(new Error('too big'), { code: 'EMSGSIZE', mtu: 1_400 }))).toEqual({
      kind: 'unsent',
      code: 'EMSGSIZE',
      mtu: 1_400,
    })
    for (const more of [{}, { mtu: '1400' }]) {
      expect(unsentFate(Object.assign(new Error('no'), { code: 'EPERM', ...more }))).toEqual({
        kind: 'unsent',
        code: 'EPERM',
      })
    }
  })

  test('is thrown on if it is a bug', () => {
    const bug = new TypeError('undefined is not a function')
    expect(() => unsentFate(bug)).toThrow(bug)
  })
})

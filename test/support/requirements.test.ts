import { expect, test } from 'vitest'
import { capability, describeWith, type Requirement, reasonToSkip, testWith } from './requirements.ts'

const met: Requirement = { isMet: true, reason: 'needs nothing' }
const unmet: Requirement = { isMet: false, reason: 'needs a second machine' }

test('returns the reason when a requirement is not met, and nothing otherwise', () => {
  expect(reasonToSkip([met], false)).toBeUndefined()
  expect(reasonToSkip([met, unmet, { isMet: false, reason: 'needs IPv6' }], false)).toBe(
    'needs a second machine; needs IPv6',
  )
})

test('fails instead of skipping in continuous integration, unless that was declared spareable', () => {
  expect(() => reasonToSkip([unmet], true)).toThrow('must not be skipped in continuous integration: it needs a second')
  expect(reasonToSkip([{ ...unmet, isSpareableInCi: true }], true)).toBe('needs a second machine')
})

test('names the capability that is needed', () => {
  expect(capability('CAP_NET_RAW')).toEqual({ isMet: expect.any(Boolean), reason: 'needs CAP_NET_RAW' })
})

testWith(met)('runs a test whose needs are met', ({ task }) => {
  expect(task.mode).toBe('run')
})

describeWith(met)('a suite whose needs are met', () => {
  test('runs', ({ task }) => {
    expect(task.suite?.name).toBe('a suite whose needs are met')
  })
})

import type { FailureReason } from '@scout/core'
import { expect, test } from 'vitest'
import { CommandError, type ExitCode, exitCodeOf, exitCodes, isHopeless } from '../../src/shell/exit-code.ts'

type Run = Parameters<typeof exitCodeOf>[0][number]

const good: Run = { received: 4, failures: {} }
const lossy: Run = { received: 3, failures: { timeout: 1 } }
const unresolved: Run = { received: 0, failures: { unresolved: 4 } }
const notPermitted: Run = {
  received: 0,
  failures: { 'not-permitted': 1 } satisfies Partial<Record<FailureReason, number>>,
}
const notSupported: Run = { received: 0, failures: { 'not-supported': 1 } }
const endedAtOnce: Run = { received: 0, failures: {} }

test.each<readonly [meaning: string, code: ExitCode, runs: readonly Run[]]>([
  ['everything was answered', 0, [good, good]],
  ['one attempt of many failed', 1, [good, lossy]],
  ['a name has no address', 1, [unresolved]],
  ['nothing is known yet', 1, [good, endedAtOnce]],
  ['a probe is not permitted, and the others are fine', 3, [good, notPermitted]],
  ['a probe is not supported', 3, [notSupported]],
  ['a probe failed and another is not permitted', 1, [lossy, notPermitted]],
])('when %s, the exit code is %i', (_, code, runs) => {
  expect(exitCodeOf(runs)).toBe(code)
})

test('an error of a command has its name, exit code, sentence and cause', () => {
  const cause = new Error('no route')
  const error = new CommandError(exitCodes.usage, 'cannot reach it', { cause })
  expect(error).toMatchObject({ name: 'CommandError', exitCode: 2, message: 'cannot reach it', cause })
})

test('only what this process is unable to do is hopeless', () => {
  expect(isHopeless('not-permitted')).toBe(true)
  expect(isHopeless('timeout')).toBe(false)
})

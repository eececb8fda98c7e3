import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { blockFor } from '../../../../test/support/block.ts'
import { watchHandles } from '../../../../test/support/handles.ts'
import { prepare, type RunContext, run } from '../../src/attempt/run.ts'
import { FailureError } from '../../src/model/failure.ts'
import type { ResolveName } from '../../src/net/host/resolve.ts'
import { createSockets } from '../../src/net/sockets.ts'
import { type Attempt, defineProbe, type Probe } from '../../src/probes/probe.ts'
import type { Result } from '../../src/probes/result.ts'
import { OwnSession } from '../../src/probes/session.ts'
import { nowNs } from '../../src/time/clock.ts'
import { createDeadlines, Deadline } from '../../src/time/deadline.ts'

const address = '127.0.0.1'

describe('a success', () => {
  test('has disjoint phases whose sum is its total', async () => {
    const result = await attempt((attempt) => {
      attempt.stopwatch.enter('first')
      busyFor(50_000)
      attempt.stopwatch.enter('second')
      busyFor(50_000)
    })
    const { first = 0, second = 0 } = result.phasesNs
    expect(Math.min(first, second)).toBeGreaterThanOrEqual(50_000)
    expect(result).toMatchObject({ ok: true, totalNs: first + second, detail: { seen: true } })
  })

  test('has a phase for resolving a name, but not for an address', async () => {
    const named = await attempt(({ stopwatch }) => stopwatch.enter('first'), { target: 'scout.example' })
    expect(Object.keys(named.phasesNs)).toEqual(['resolve', 'first'])
    expect(named.endpoint).toEqual({ host: 'scout.example', address, family: 'ipv4', addressCount: 1 })
    const literal = await attempt(({ stopwatch }) => stopwatch.enter('first'), { target: address })
    expect(Object.keys(literal.phasesNs)).toEqual(['first'])
  })

  test('goes to the first address of a name, and has the number of all', async () => {
    const addresses = ['127.0.0.2', '127.0.0.3'].map((one) => ({ address: one, family: 'ipv4' }) as const)
    const result = await attempt(() => {}, { target: 'scout.example', resolve: async () => addresses })
    expect(result).toMatchObject({ ok: true, endpoint: { address: '127.0.0.2', addressCount: 2 } })
  })

  test('goes to the given address of a name, without resolving it', async () => {
    const result = await attempt(() => {}, {
      target: 'scout.example',
      options: { address: '::ffff:127.0.0.3' },
      resolve: () => Promise.reject(new Error('nobody asked')),
    })
    expect(result).toMatchObject({
      ok: true,
      endpoint: { host: 'scout.example', address: '127.0.0.3', family: 'ipv4' },
    })
  })

  test('uses a better clock if the probe has one', async () => {
    const result = await attempt(({ stopwatch }) => {
      stopwatch.enter('first')
      stopwatch.settle(1234, { tx: 'kernel', rx: 'kernel' })
      busyFor(50_000)
    })
    expect(result).toMatchObject({ phasesNs: { first: 1234 }, totalNs: 1234, clock: { tx: 'kernel', rx: 'kernel' } })
  })

  test('does not change afterwards, even if late events reach the stopwatch', async () => {
    const attempts: Attempt<string>[] = []
    const result = await attempt((attempt) => {
      attempts.push(attempt)
      attempt.stopwatch.enter('first')
    })
    const before = structuredClone(result)
    attempts[0]?.stopwatch.enter('second')
    attempts[0]?.stopwatch.enter('first')
    expect(result).toEqual(before)
  })
})

test('the total of a probe that yields facts is the elapsed time, regardless of its phases', async () => {
  const result = await attempt(
    ({ stopwatch, record }) => {
      stopwatch.enter('first')
      stopwatch.settle(1, { tx: 'kernel', rx: 'kernel' })
      busyFor(50_000)
      record({ packets: { sent: 2, returned: 2, duplicated: 0, reordered: 0, late: 0 } })
    },
    { yields: 'facts' },
  )
  expect(result).toMatchObject({ ok: true, phasesNs: { first: 1 }, packets: { sent: 2 } })
  expect(result.totalNs).toBeGreaterThanOrEqual(50_000)
})

describe('a failure', () => {
  test('has its phase, the earlier phases, and the time until it was known', async () => {
    const result = await attempt(({ stopwatch }) => {
      stopwatch.enter('first')
      stopwatch.enter('second')
      busyFor(100_000)
      throw Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })
    })
    expect(result).toMatchObject({ ok: false, failure: { reason: 'refused', phase: 'second', code: 'ECONNREFUSED' } })
    expect(Object.keys(result.phasesNs)).toEqual(['first'])
    expect(result.totalNs).toBeGreaterThanOrEqual(100_000)
  })

  test('before the first phase has the phase setup', async () => {
    const result = await attempt(() => {
      throw new FailureError('not-permitted', 'no')
    })
    expect(result).toMatchObject({ ok: false, failure: { reason: 'not-permitted', phase: 'setup', message: 'no' } })
    expect(result).not.toHaveProperty('failure.code')
  })

  test('has the details known before it, and the ICMP error that caused it', async () => {
    const packets = { sent: 1, returned: 0, duplicated: 0, reordered: 0, late: 0 }
    const icmp = { type: 3, code: 1, from: '10.0.0.1' }
    const result = await attempt(({ record }) => {
      record({ packets })
      record({ detail: { hops: 1 } })
      record({ detail: { hops: 2 } })
      throw new FailureError('unreachable', 'no way', { code: 'ICMP 3/1', icmp })
    })
    expect(result).toMatchObject({ packets, failure: { icmp }, detail: { hops: 2 } })
    expect(Object.keys(result).slice(-4)).toEqual(['packets', 'ok', 'failure', 'detail'])
  })

  test('to resolve a name has no endpoint', async () => {
    const result = await attempt(() => {}, {
      target: 'scout.example',
      resolve: async () => {
        throw new FailureError('unresolved', 'no such name', { code: 'ENOTFOUND' })
      },
    })
    expect(result).toMatchObject({ failure: { reason: 'unresolved', phase: 'resolve', code: 'ENOTFOUND' } })
    expect(result).not.toHaveProperty('endpoint')
  })

  test('of the wrong address family is reported before anything is sent', async () => {
    const result = await attempt(() => {}, { target: '::1', options: { family: 'ipv4' } })
    expect(result).toMatchObject({
      failure: { reason: 'unresolved', message: '::1 is an IPv6 address, but IPv4 was requested' },
    })
  })

  test('that is a bug in a probe is thrown, not returned as data', async () => {
    const defective = attempt(() => {
      throw new TypeError('undefined is not a function')
    })
    await expect(defective).rejects.toThrow('undefined is not a function')
  })
})

describe('the deadline', () => {
  test('ends an attempt without an answer', async () => {
    const result = await attempt(untilOver, { options: { timeoutMs: 20 } })
    expect(result).toMatchObject({ failure: { reason: 'timeout', message: 'no answer within 20 ms' } })
    expect(result.totalNs / 20e6).toBeGreaterThanOrEqual(1)
  })

  test('does not come early for an attempt that starts late in its event loop iteration', async () => {
    await nextTurn()
    blockFor(60)
    const result = await attempt(untilOver, { options: { timeoutMs: 40 } })
    expect(result.totalNs / 40e6).toBeGreaterThanOrEqual(1)
  })

  test('applies to a handshake that was late by the kernel clock, no matter when this process noticed it', async () => {
    const result = await attempt(
      ({ stopwatch }) => {
        stopwatch.enter('first')
        stopwatch.settle(80e6, { tx: 'tcp-info', rx: 'tcp-info' })
      },
      { options: { timeoutMs: 50 } },
    )
    expect(result).toMatchObject({ ok: false, failure: { reason: 'timeout', message: 'no answer within 50 ms' } })
  })

  test('covers name resolution, too', async () => {
    const result = await attempt(() => {}, {
      target: 'scout.example',
      options: { timeoutMs: 20 },
      resolve: () => new Promise(() => {}),
    })
    expect(result).toMatchObject({
      failure: {
        reason: 'unresolved',
        phase: 'resolve',
        message: 'cannot resolve scout.example: no answer within 20 ms',
      },
    })
  })

  test('provides the time left to the probe', async () => {
    let leftNs = 0
    await attempt(({ deadline }) => {
      leftNs = deadline.remainingNs()
    })
    expect(leftNs).toBeGreaterThan(0)
    expect(leftNs).toBeLessThan(3500e6)
  })

  test('of each attempt comes on time, in any order of starts', async () => {
    const deadlines = createDeadlines()
    const ended: number[] = []
    const waits = [60, 20, 40].map(
      (timeoutMs) =>
        new Promise<void>((resolve) => {
          const deadline = deadlines.start(timeoutMs)
          deadline.onOver(({ reason }) => {
            if (reason === 'timeout') ended.push(timeoutMs)
            deadlines.clear(deadline)
            resolve()
          })
        }),
    )
    await Promise.all(waits)
    expect(ended).toEqual([20, 40, 60])
  })

  test('leaves neither timer nor listener behind', async () => {
    const allClosed = await watchHandles()
    await attempt(({ stopwatch }) => stopwatch.enter('first'))
    await attempt(untilOver, { options: { timeoutMs: 5 } })
    await nextTurn()
    await allClosed()
  })
})

describe('cancelling', () => {
  test('ends the attempt at once', async () => {
    const result = await attempt((running) => {
      setImmediate(() => running.deadline.cancel())
      return untilOver(running)
    })
    expect(result).toMatchObject({ failure: { reason: 'cancelled' } })
  })

  test('aborts the signal, even one requested afterwards', async () => {
    const deadline = new Deadline(1_000)
    const { signal } = deadline
    deadline.cancel()
    for (const each of [signal, deadline.signal]) expect(each.reason).toMatchObject({ reason: 'cancelled' })
  })

  test('beforehand ends the attempt before anything is sent', async () => {
    const deadline = new Deadline(1_000)
    deadline.cancel()
    let isMeasured = false
    const result = await attempt(
      () => {
        isMeasured = true
      },
      { deadline },
    )
    expect(result).toMatchObject({ failure: { reason: 'cancelled', phase: 'setup' } })
    expect(isMeasured).toBe(false)
  })

  test.for<[when: string, resolve: (deadline: Deadline) => ResolveName]>([
    ['while a name is resolved', (deadline) => () => (setImmediate(() => deadline.cancel()), new Promise(() => {}))],
    ['in the call that resolves a name', (deadline) => () => (deadline.cancel(), new Promise(() => {}))],
    [
      'just as a name was resolved',
      (deadline) => () => {
        deadline.cancel()
        return Promise.resolve([{ address, family: 'ipv4' }])
      },
    ],
  ])('%s ends the attempt before anything is sent', async ([, resolve]) => {
    const deadline = new Deadline(1_000)
    let isMeasured = false
    const result = await attempt(
      () => {
        isMeasured = true
      },
      { target: 'scout.example', resolve: resolve(deadline), deadline },
    )
    expect(result).toMatchObject({ failure: { reason: 'cancelled', phase: 'resolve' } })
    expect(isMeasured).toBe(false)
  })
})

interface Setting extends Partial<RunContext> {
  readonly target?: string
  readonly options?: object
  readonly yields?: Probe['yields']
}

/** Runs a probe with the given `measure`. */
async function attempt(
  act: (attempt: Attempt<'first' | 'second'>) => void | Promise<void>,
  { target = address, options, yields = 'time', ...context }: Setting = {},
): Promise<Result> {
  const probe = defineProbe({
    protocol: 'test',
    summary: 'do what the test says',
    targetForm: 'host',
    needs: 'handshake',
    yields,
    phases: { first: 'the first', second: 'the second' },
    options: z.object({}),
    async measure(attempt) {
      await act(attempt)
      return { seen: true }
    },
  }) as Probe
  const request = prepare(probe, { target, ...(options && { options }) }, { nameServer: () => address })
  const deadlines = createDeadlines()
  const deadline = context.deadline ?? deadlines.start(request.options.timeoutMs)
  return run(probe, request, {
    sockets: createSockets({ onStray: () => {} }),
    resolve: async () => [{ address, family: 'ipv4' }] as const,
    deadline,
    session: new OwnSession(),
    onEnded: () => deadlines.clear(deadline),
    ...context,
  })
}

async function untilOver({ deadline }: Pick<Attempt<string>, 'deadline'>): Promise<void> {
  await new Promise((_, reject) => deadline.onOver(reject))
}

function busyFor(ns: number): void {
  const untilNs = nowNs() + ns
  while (nowNs() < untilNs);
}

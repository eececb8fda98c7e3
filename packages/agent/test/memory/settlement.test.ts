import { nowNs } from '@scout/core'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { eventually } from '../../../../test/support/eventually.ts'
import { createSettlement } from '../../src/memory/settlement.ts'
import type { KnownPeer } from '../../src/peers/roster.ts'
import { ended, failure, success } from '../support/results.ts'
import { known as knownPeer, taskOf } from '../support/tasks.ts'

const known = (name: string, state: KnownPeer['state'] = 'ready') => knownPeer(name, { state })

function startSettlement(settleMs: number) {
  const settled: string[] = []
  const settlement = createSettlement({
    settleMs,
    onSettled: ({ id }, result, isCounted) =>
      settled.push(`${id} ${result.startedAtMs} ${result.ok ? 'ok' : 'failed'} ${isCounted ? 'counted' : 'set aside'}`),
  })
  onTestFinished(() => settlement.stop())
  return {
    settled,
    settlement,
    /** Starts an attempt; the function returned delivers its result. */
    begin(id: string, of: KnownPeer | 'none' | undefined) {
      const startedNs = nowNs()
      return (result = success()) => {
        const totalNs = nowNs() - startedNs
        settlement.receive({ ...taskOf(), id }, ended({ ...result, totalNs }, startedNs), of)
      }
    },
  }
}

const longMs = 60_000

describe('the settlement', () => {
  it('counts a success of a ready peer at once', () => {
    const { begin, settled } = startSettlement(longMs)
    begin('s', known('a'))(success())
    expect(settled).toEqual(['s 1000 ok counted'])
  })

  it('counts the failure of a peer that is still ready after settleMs, and not before', async () => {
    const { begin, settled, settlement } = startSettlement(30)
    begin('s', known('a'))(failure())
    expect([settled, settlement.held]).toEqual([[], 1])
    await eventually(() => settled.length > 0, 'the failure')
    expect([settled, settlement.held]).toEqual([['s 1000 failed counted'], 0])
  })

  it('sets a failure aside when its peer changes in the meantime', () => {
    const { begin, settled, settlement } = startSettlement(longMs)
    begin('s', known('a'))(failure())
    begin('t', known('b'))(failure())
    settlement.disturb('uid-of-a')
    expect([settled, settlement.held]).toEqual([['s 1000 failed set aside'], 1])
  })

  it('sets aside the result of an attempt if its peer changed during it', () => {
    const { begin, settled, settlement } = startSettlement(longMs)
    const ends = [begin('s', known('a')), begin('t', known('a'))]
    settlement.disturb('uid-of-a')
    ends[0]?.(success())
    ends[1]?.(failure())
    expect(settled).toEqual(['s 1000 ok set aside', 't 1000 failed set aside'])
  })

  it('counts a success that ended before its peer changed, even if it arrives later', () => {
    const { settled, settlement } = startSettlement(longMs)
    const startedNs = nowNs()
    const arriving = ended({ ...success(), totalNs: 0 }, startedNs)
    settlement.disturb('uid-of-a')
    settlement.receive({ ...taskOf(), id: 's' }, arriving, known('a'))
    expect(settled).toEqual(['s 1000 ok counted'])
  })

  it('sets aside a failure that ended before its peer changed, but not one that began after it', async () => {
    const { begin, settled, settlement } = startSettlement(0)
    const before = ended({ ...failure(), totalNs: 0 }, nowNs())
    settlement.disturb('uid-of-a')
    settlement.receive({ ...taskOf(), id: 's' }, before, known('a'))
    begin('t', known('a'))(failure())
    expect(settled).toEqual(['s 1000 failed set aside', 't 1000 failed counted'])
  })

  it('sets aside a success during which its peer changed, even if it changed again afterwards', () => {
    const { settled, settlement } = startSettlement(longMs)
    const startedNs = nowNs()
    settlement.disturb('uid-of-a')
    const arriving = ended({ ...success(), totalNs: nowNs() - startedNs }, startedNs)
    settlement.disturb('uid-of-a')
    settlement.receive({ ...taskOf(), id: 's' }, arriving, known('a'))
    expect(settled).toEqual(['s 1000 ok set aside'])
  })

  it.each([
    { what: 'starting', of: known('a', 'starting') },
    { what: 'leaving', of: known('a', 'leaving') },
    { what: 'gone', of: undefined },
  ])('sets aside the result of an attempt on a peer that is $what', ({ of }) => {
    const { begin, settled } = startSettlement(longMs)
    begin('s', of)(failure())
    expect(settled).toEqual(['s 1000 failed set aside'])
  })

  it('does not hold back a failure without a peer', () => {
    const { begin, settled } = startSettlement(longMs)
    begin('s', 'none')(failure())
    expect(settled).toEqual(['s 1000 failed counted'])
  })

  it.each(['not-permitted', 'local-error'] as const)(
    'does not hold back %s, which is not the fault of the peer',
    (reason) => {
      const { begin, settled } = startSettlement(longMs)
      begin('s', known('a'))(failure(1, reason))
      expect(settled).toEqual(['s 1 failed counted'])
    },
  )

  it('keeps the order within a task: later results wait for a held failure', async () => {
    const { begin, settled } = startSettlement(30)
    begin('s', known('a'))(failure(1))
    begin('s', known('a'))(success(2))
    begin('other', known('a'))(success(3))
    begin('s', known('a'))(failure(4))
    begin('s', known('a'))(success(5))
    expect(settled).toEqual(['other 3 ok counted'])
    await eventually(() => settled.length === 5, 'everything')
    expect(settled.slice(1)).toEqual(['s 1 failed counted', 's 2 ok counted', 's 4 failed counted', 's 5 ok counted'])
  })

  it('counts successes that waited for a failure that is set aside: the peer was ready throughout', () => {
    const { begin, settled, settlement } = startSettlement(longMs)
    begin('s', known('a'))(failure(1))
    begin('s', known('a'))(success(2))
    settlement.disturb('uid-of-a')
    expect(settled).toEqual(['s 1 failed set aside', 's 2 ok counted'])
  })

  it('counts failures at once if settleMs is 0', () => {
    const { begin, settled } = startSettlement(0)
    begin('s', known('a'))(failure())
    expect(settled).toEqual(['s 1000 failed counted'])
  })

  it('counts a success at once again after a held failure was counted', () => {
    stopClocks()
    const { begin, settled, settlement } = startSettlement(30)
    begin('s', known('a'))(failure(1))
    vi.advanceTimersByTime(30)
    begin('s', known('a'))(success(2))
    expect([settled, settlement.held]).toEqual([['s 1 failed counted', 's 2 ok counted'], 0])
  })

  it('takes a change at the very moment an attempt began or ended as one during it', () => {
    stopClocks()
    const { settled, settlement } = startSettlement(longMs)
    const changedNs = nowNs()
    settlement.disturb('uid-of-a')
    for (const [id, startedNs, totalNs] of [
      ['begins', changedNs, 9],
      ['ends', changedNs - 9, 9],
      ['ends before', changedNs - 9, 8],
    ] as const)
      settlement.receive({ ...taskOf(), id }, ended({ ...success(), totalNs }, startedNs), known('a'))
    expect(settled).toEqual(['begins 1000 ok set aside', 'ends 1000 ok set aside', 'ends before 1000 ok counted'])
  })

  it('needs one timer for a held failure, and none for what waits behind it or is set aside', () => {
    stopClocks()
    const { begin, settlement } = startSettlement(longMs)
    begin('s', known('a'))(failure(1))
    begin('s', known('a'))(success(2))
    expect(vi.getTimerCount()).toBe(1)
    settlement.disturb('uid-of-a')
    expect(vi.getTimerCount()).toBe(0)
  })

  it('leaves no timer when stopped, and settles nothing afterwards', () => {
    stopClocks()
    const { begin, settled, settlement } = startSettlement(longMs)
    begin('s', known('a'))(failure())
    settlement.stop()
    expect([vi.getTimerCount(), settlement.held]).toEqual([0, 0])
    vi.advanceTimersByTime(2 * longMs)
    expect(settled).toEqual([])
  })

  it('leaves no timer of failures that are set aside', () => {
    vi.useFakeTimers()
    onTestFinished(() => void vi.useRealTimers())
    const { begin, settlement } = startSettlement(longMs)
    begin('s', known('a'))(failure())
    settlement.disturb('uid-of-a')
    expect([vi.getTimerCount(), settlement.held]).toEqual([0, 0])
  })
})

describe('a change of a peer', () => {
  const longestMs = 660_000

  it.each([
    { passedMs: longestMs - 1, effect: 'set aside' },
    { passedMs: longestMs, effect: 'counted' },
  ])('is kept for eleven minutes, longer than any attempt: after $passedMs ms a result is $effect', (expected) => {
    stopClocks()
    const { settled, settlement } = startSettlement(0)
    const before = ended(failure(), nowNs())
    settlement.disturb('uid-of-a')
    vi.advanceTimersByTime(expected.passedMs)
    settlement.disturb('uid-of-b')
    settlement.receive({ ...taskOf(), id: 's' }, before, known('a'))
    expect(settled).toEqual([`s 1000 failed ${expected.effect}`])
  })

  it('is dropped after that time, though its peer, or a peer that changed earlier, has changed since', () => {
    stopClocks()
    const { settled, settlement } = startSettlement(0)
    const startedNs = nowNs()
    const arriving = ended({ ...success(), totalNs: 1e6 }, startedNs)
    for (const name of ['a', 'b']) settlement.disturb(`uid-of-${name}`)
    vi.advanceTimersByTime(longestMs / 2)
    settlement.disturb('uid-of-a')
    vi.advanceTimersByTime(longestMs / 2)
    settlement.disturb('uid-of-a')
    settlement.receive({ ...taskOf(), id: 's' }, arriving, known('a'))
    settlement.receive({ ...taskOf(), id: 't' }, arriving, known('b'))
    expect(settled).toEqual(['s 1000 ok counted', 't 1000 ok counted'])
  })

  it('is kept when an earlier one of its peer is dropped', () => {
    stopClocks()
    const { settled, settlement } = startSettlement(0)
    settlement.disturb('uid-of-a')
    vi.advanceTimersByTime(longestMs / 2)
    const before = ended(failure(), nowNs())
    settlement.disturb('uid-of-a')
    vi.advanceTimersByTime(longestMs / 2)
    settlement.disturb('uid-of-b')
    settlement.receive({ ...taskOf(), id: 's' }, before, known('a'))
    expect(settled).toEqual(['s 1000 failed set aside'])
  })
})

function stopClocks() {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
}

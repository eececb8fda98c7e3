import { nowNs } from '@scout/core'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createSettlement } from '../src/memory/settlement.ts'
import type { Peer } from '../src/peers/peer.ts'
import { createRoster } from '../src/peers/roster.ts'
import type { PlannedTask } from '../src/plan/plan.ts'
import { knowledge } from './support/peers.ts'
import { ended, failure, success } from './support/results.ts'
import { tasksOf } from './support/tasks.ts'

const settleMs = 5_000

const slot = fc.nat({ max: 2 })
const state = fc.constantFrom('starting', 'ready', 'leaving', 'gone')

/** Events that can occur in any order: three names, two incarnations each, two addresses each. */
const event = fc.oneof(
  fc.record({ kind: fc.constant('hear'), slot, state, incarnation: fc.nat({ max: 1 }), address: fc.nat({ max: 1 }) }),
  fc.record({ kind: fc.constant('goodbye'), slot }),
  fc.record({ kind: fc.constant('hello'), slot }),
  fc.record({ kind: fc.constant('begin'), slot }),
  fc.record({ kind: fc.constant('end'), isOk: fc.boolean() }),
  fc.record({ kind: fc.constant('wait'), ms: fc.constantFrom(1, settleMs / 2, settleMs) }),
)

type Event = typeof event extends fc.Arbitrary<infer Value> ? Value : never

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

describe('churn', () => {
  it('never keeps a target of a peer that is gone, and never counts a failure of a peer that was not ready throughout', () => {
    fc.assert(fc.property(fc.array(event, { maxLength: 80, size: 'max' }), live), { numRuns: 300 })
  })
})

/** Applies the events and checks the invariants after each. */
function live(events: readonly Event[]): void {
  const found = new Map<number, Peer>()
  /** Time at which each peer, by id, was last not ready, absent or at another address. */
  const lastAwayMs = new Map<string, number>()
  const underWay: ((isOk: boolean) => void)[] = []
  let tasks: readonly PlannedTask[] = []
  let clock = 0

  const settlement = createSettlement({
    settleMs,
    onSettled({ peer }, result, isCounted) {
      if (!isCounted || result.ok) return
      const awayMs = lastAwayMs.get(peer?.id ?? '') ?? Number.NEGATIVE_INFINITY
      expect(awayMs).toBeLessThanOrEqual(result.startedAtMs)
      expect(roster.peers.get(peer?.id ?? '')?.state).toBe('ready')
    },
  })
  const roster = createRoster({
    isSelf: () => false,
    onChange({ disturbed }) {
      disturbed.forEach(settlement.disturb)
      tasks = tasksOf([...roster.peers.values()])
    },
  })

  for (const happening of events) {
    vi.advanceTimersByTime(1)
    clock = Date.now()
    switch (happening.kind) {
      case 'hear': {
        const { slot, state, incarnation, address } = happening
        if (state === 'gone') found.delete(slot)
        else
          found.set(slot, {
            id: `uid-${slot}-${incarnation}`,
            name: `scout-${slot}`,
            node: `node-${slot}`,
            addresses: [`10.0.${slot}.${address}`],
            port: 8081,
            state,
          })
        const before = roster.peers
        roster.update(knowledge([...found.values()], { heardAtMs: clock }))
        for (const [id, peer] of before) {
          const after = roster.peers.get(id)
          if (after?.state !== 'ready' || after.addresses.join() !== peer.addresses.join()) lastAwayMs.set(id, clock)
        }
        break
      }
      case 'goodbye':
      case 'hello': {
        const peer = found.get(happening.slot)
        if (peer === undefined) break
        if (happening.kind === 'goodbye') {
          roster.goodbye(peer, 'first')
          // After a greeting of the second process, the goodbye of the first is ignored.
          if (roster.peers.get(peer.id)?.state === 'leaving') lastAwayMs.set(peer.id, clock)
        } else {
          roster.hello(peer, 'second')
        }
        break
      }
      case 'begin': {
        const peer = found.get(happening.slot)
        const task = tasks.find((one) => one.peer?.id === peer?.id)
        if (peer === undefined || task === undefined) break
        const known = roster.peers.get(peer.id)
        if (known?.state !== 'ready') lastAwayMs.set(peer.id, clock + 1)
        const [startedAtMs, startedNs] = [clock, nowNs()]
        underWay.push((isOk) => {
          const result = { ...(isOk ? success(startedAtMs) : failure(startedAtMs)), totalNs: nowNs() - startedNs }
          settlement.receive(task, ended(result, startedNs), roster.peers.get(peer.id))
        })
        break
      }
      case 'end': {
        underWay.shift()?.(happening.isOk)
        break
      }
      case 'wait':
        vi.advanceTimersByTime(happening.ms)
        break
    }
    const targets = tasks.map(({ target }) => target).toSorted()
    const present = [...found.values()].map(({ addresses: [address], port }) => `${address}:${port}`).toSorted()
    expect(targets).toEqual(present)
  }
  settlement.stop()
}

import { type FailureReason, row as schema } from '@scout/core'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createMemory, type Memory } from '../../src/memory/memory.ts'
import { rowOf } from '../../src/memory/row.ts'
import { expositionOf } from '../../src/outputs/metrics/exposition.ts'
import { metrics } from '../../src/outputs/metrics/metrics.ts'
import { createRoster } from '../../src/peers/roster.ts'
import { planTasks } from '../../src/plan/plan.ts'
import { greeting } from '../support/greetings.ts'
import { knowledge, peer } from '../support/peers.ts'
import { failure, success } from '../support/results.ts'
import { rowOf as wholeRowOf } from '../support/rows.ts'
import { checkOf } from '../support/tasks.ts'

type RowInput = Parameters<typeof rowOf>[0]

const startedAtMs = 1_700_000_000_000
const noCounts = { started: 0, late: 0, skipped: 0, lost: 0, inFlight: 0, waiting: 0, dropped: 0 }
const noGreetings = { answered: 0, malformed: 0, silent: 0, unreached: 0 }

/** Returns an agent on node-1, in zone-a, that has just started. */
function agentOf(more: Partial<RowInput> = {}) {
  const roster = createRoster({ isSelf: () => false, onChange() {} })
  onTestFinished(() => roster.stop())
  const memory: Memory = createMemory()
  const checks = more.checks ?? [checkOf('tcp', { options: { timeoutMs: 1_000 } })]
  const families: RowInput['families'] = more.families ?? new Set(['ipv4'])
  const plan = (nowMs = 0) => {
    const tasks = planTasks({ checks, peers: roster.peers.values(), families, from: 'node-1' })
    memory.setTasks(tasks, nowMs)
    return tasks
  }
  return {
    roster,
    memory,
    plan,
    row: (takenAtMs = startedAtMs) =>
      rowOf({
        takenAtMs,
        startedAtMs,
        self: {
          name: 'scout-1',
          node: 'node-1',
          zone: 'zone-a',
          addresses: ['10.0.0.9'],
          nodeAddresses: [],
          version: '1.2.3',
        },
        isReady: false,
        families,
        checks,
        settleMs: 5_000,
        tasks: plan(takenAtMs - startedAtMs),
        sample: new Set([...roster.peers.values()].map(({ node }) => node)),
        roster,
        memory,
        vantages: [],
        arrivals: [],
        schedule: noCounts,
        held: 0,
        greetings: noGreetings,
        collected: [],
        diagnosis: { isSpeaking: false, rows: 0, ready: 0, incidents: [], sent: {}, received: {} },
        ...more,
      }),
  }
}

test('before the first news of its peers, a row has none, and says that the source was never heard', () => {
  const { row } = agentOf()
  const { peers, series, durations, knowledge: known, isReady } = row()
  expect({ peers, series, durations, isReady }).toEqual({ peers: [], series: [], durations: [], isReady: false })
  expect(known).toEqual({ source: 'nothing yet', heardAtMs: 0 })
})

test('the metrics of a row stay as many while for a quarter of an hour each peer is on a new node in a new zone', () => {
  const { roster, memory, plan, row } = agentOf()
  const everyMs = 15_000
  const linesAfter = (rounds: number) => {
    for (; round < rounds; round++) {
      roster.update(knowledge([peer(`${round}`, { node: `node-${round}`, zone: `zone-${round}` })]))
      for (const task of plan(round * everyMs)) memory.record(task, success(startedAtMs + round * everyMs), true)
    }
    const taken = { ...wholeRowOf(), ...row(startedAtMs + round * everyMs) }
    return expositionOf(metrics, taken).reduce((sum, part) => sum + part.toString().split('\n').length - 1, 0)
  }
  let round = 0
  // What is of a node leaves after ten minutes, and what is of a zone when sixteen others have gone after it.
  const full = linesAfter((11 * 60_000) / everyMs)
  expect(linesAfter((26 * 60_000) / everyMs)).toBe(full)
})

test('a row is what its schema accepts, with what the process adds', () => {
  const { roster, memory, plan, row } = agentOf()
  roster.update(knowledge([peer('a'), peer('b', { state: 'starting' })]))
  for (const task of plan()) memory.record(task, failure(startedAtMs), true)
  const added = { console: { answered: 0, rejected: 0, unsent: 0, refused: 0 }, logLinesLost: 0 }
  expect(() => schema.parse(JSON.parse(JSON.stringify({ ...row(), ...added })))).not.toThrow()
})

describe('a series', () => {
  test('without a result is waiting, and has no start', () => {
    const { roster, row } = agentOf()
    roster.update(knowledge([peer('a')]))
    expect(row().series).toMatchObject([{ state: 'waiting', sinceMs: undefined, last: undefined }])
  })

  test('is waiting while its peer is starting, though its last result is a success', () => {
    const { roster, memory, plan, row } = agentOf()
    roster.update(knowledge([peer('a')]))
    for (const task of plan()) memory.record(task, success(startedAtMs), true)
    expect(row().series[0]?.state).toBe('ok')
    roster.update(knowledge([peer('a', { state: 'starting' })]))
    expect(row().series[0]).toMatchObject({ state: 'waiting', last: { ok: true } })
  })

  test('is waiting once three of its own intervals, the timeout and the time of settlement have passed', () => {
    const slow = checkOf('slow', { intervalMs: 60_000, options: { timeoutMs: 2_000 } })
    const { roster, memory, plan, row } = agentOf({ checks: [checkOf('tcp', { options: { timeoutMs: 1_000 } }), slow] })
    roster.update(knowledge([peer('a')]))
    for (const task of plan()) memory.record(task, success(startedAtMs), true)
    const states = (afterMs: number) => row(startedAtMs + afterMs).series.map(({ state }) => state)
    expect(states(36_000)).toEqual(['ok', 'ok'])
    expect(states(36_001)).toEqual(['waiting', 'ok'])
    expect(states(187_000)).toEqual(['waiting', 'ok'])
    expect(states(187_001)).toEqual(['waiting', 'waiting'])
  })

  test('tells what its host lacks while that is not stale', () => {
    const { roster, memory, plan, row } = agentOf()
    roster.update(knowledge([peer('a')]))
    for (const task of plan()) memory.record(task, failure(startedAtMs, 'local-error'), true)
    const hindered = (afterMs: number) => row(startedAtMs + afterMs).series[0]?.hindered
    expect(hindered(36_000)).toMatchObject({ sinceMs: startedAtMs, trials: 1, last: { ok: false } })
    expect(hindered(36_001)).toBeUndefined()
  })

  test('of a flow that is kept is failing only if the flow was dropped: its next attempt may be minutes away', () => {
    const options = { keep: true, send: 'x', expect: 'x' }
    const stateAfter = (reason: FailureReason) => {
      const { roster, memory, plan, row } = agentOf({ checks: [checkOf('tcp-idle', { options, intervalMs: 605_000 })] })
      roster.update(knowledge([peer('a')]))
      for (const task of plan()) memory.record(task, failure(startedAtMs, reason), true)
      return row(startedAtMs + 1).series.map(({ state, socket }) => [socket, state])
    }
    expect(stateAfter('timeout')).toEqual([['idle', 'waiting']])
    expect(stateAfter('flow-dropped')).toEqual([['idle', 'failing']])
  })

  test('of several peers on a node is explained by the one that fails, whichever was probed last', () => {
    const { roster, memory, plan, row } = agentOf()
    roster.update(knowledge(['a', 'b'].map((name) => peer(name, { node: 'node-2' }))))
    const [first, second] = plan()
    if (first === undefined || second === undefined) throw new Error('there are two peers')
    memory.record(first, failure(startedAtMs, 'refused'), true)
    memory.record(second, success(startedAtMs + 1), true)
    expect(row(startedAtMs + 2).series).toMatchObject([
      { state: 'failing', total: { passed: 1, reasons: { refused: 1 } }, last: { failure: { reason: 'refused' } } },
    ])
  })
})

describe('a peer', () => {
  test('that no check can reach has the cause, and others have none', () => {
    const { roster, row } = agentOf()
    roster.update(
      knowledge([peer('a'), peer('only-ipv6', { addresses: ['fd00::1'] }), peer('bare', { addresses: [] })]),
    )
    expect(row().peers.map(({ name, obstacle }) => [name, obstacle])).toEqual([
      ['a', undefined],
      ['only-ipv6', 'it shares no address family with this agent'],
      ['bare', 'it shares no address family with this agent'],
    ])
    const { roster: many, row: rowOfSample } = agentOf({ tasks: [], sample: new Set() })
    many.update(knowledge([peer('a')]))
    expect(rowOfSample().peers).toMatchObject([{ obstacle: 'it is not in the sample of this agent' }])
    const { roster: known, row: rowWithoutChecks } = agentOf({ checks: [] })
    known.update(knowledge([peer('a')]))
    expect(rowWithoutChecks().peers).toMatchObject([{ name: 'a', obstacle: 'no check targets it' }])
  })

  test('has the version and zone that it greeted with, and nothing of how it is reached', () => {
    const { roster, row } = agentOf()
    const found = peer('a', { zone: undefined, isAssumed: true })
    roster.update(knowledge([found]))
    expect(row().peers[0]).not.toHaveProperty('version')
    roster.met(found, greeting('a', { version: '2.0.0', zone: 'zone-b' }))
    const [report] = row().peers
    expect(report).toMatchObject({ name: 'a', state: 'ready', version: '2.0.0', zone: 'zone-b' })
    for (const key of ['port', 'proxy', 'isAssumed', 'isAwaited', 'greeting']) expect(report).not.toHaveProperty(key)
  })
})

test('results that were dropped with their task are among those that are set aside', () => {
  const { roster, memory, plan, row } = agentOf({ schedule: { ...noCounts, started: 9, dropped: 2 } })
  roster.update(knowledge([peer('a')]))
  for (const task of plan()) memory.record(task, failure(startedAtMs), false)
  const { setAside, schedule, series } = row()
  expect([setAside, series[0]?.setAside, schedule.started]).toEqual([3, 1, 9])
  expect(schedule).not.toHaveProperty('dropped')
})

test('durations are by pair of zones, in the buckets of the metrics', () => {
  const { roster, memory, plan, row } = agentOf()
  roster.update(knowledge([peer('a', { zone: 'zone-b' }), peer('b', { zone: 'zone-b' }), peer('c')]))
  for (const task of plan()) memory.record(task, success(startedAtMs), true)
  const { durations } = row()
  expect(durations.map(({ check, fromZone, toZone, sumNs }) => [check, fromZone, toZone, sumNs])).toEqual([
    ['tcp', 'zone-a', 'zone-b', 2_000],
    ['tcp', 'zone-a', '', 1_000],
  ])
  expect(durations[0]?.counts[0]).toBe(2)
})

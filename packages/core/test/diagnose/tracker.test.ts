import { describe, expect, test } from 'vitest'
import { explain } from '../../src/diagnose/explain/explain.ts'
import { createIncidents } from '../../src/diagnose/tracker.ts'
import { type Fault, isBetween, worldOf } from './world.ts'

const { atMs: startMs } = worldOf([])

const cut: Fault = (fact) => (fact.protocol === 'udp' && isBetween(fact, 'node1', 'node2') ? 'silent' : undefined)
const lossy: Fault = (fact) =>
  isBetween(fact, 'node1', 'node2') ? { symptom: 'lossy', loss: { low: 0.05, high: 0.2 } } : undefined
const noName: Fault = (fact) => (fact.to.kind === 'name-server' ? 'silent' : undefined)

/**
 * Follows a mesh whose fault is there for some seconds, then gone for some seconds, again and again. The clock of those who see it may be ahead.
 */
function follow(fault: Fault, turns: readonly (readonly [downSeconds: number, upSeconds: number])[], aheadMs = 0) {
  const incidents = createIncidents()
  let atMs = startMs
  const ids = new Set<string>()
  let closed = 0
  const pass = (seconds: number, isDown: boolean) => {
    const world = worldOf(isDown ? [fault] : [])
    const found = explain(world).map((finding) => ({ ...finding, sinceMs: atMs + aheadMs }))
    for (const untilMs = atMs + 1_000 * seconds; atMs < untilMs; atMs += 1_000) {
      incidents.update(found, { ...world, atMs })
      const all = incidents.all()
      for (const { id } of all) ids.add(id)
      closed += Number(all.some(({ state }) => state === 'closed'))
    }
  }
  for (const [down, up] of turns) {
    pass(down, true)
    closed = 0
    pass(up, false)
  }
  return { incidents, pass, ids, secondsClosed: () => closed }
}

const often = (times: number, [down, up]: readonly [number, number]) =>
  Array.from({ length: times }, () => [down, up] as const)

describe('an incident that comes and goes', () => {
  test('is a flapping link from its third outage, and says how often and for how long each', () => {
    const { incidents, ids, pass } = follow(cut, often(2, [40, 50]))
    expect(incidents.all()).toMatchObject([{ cause: 'protocol-filtered', state: 'closed' }])
    pass(20, true)
    const [incident, ...others] = incidents.all()
    expect(others).toEqual([])
    expect(incident).toMatchObject({ cause: 'link-flapping', scope: { kind: 'link' }, state: 'open' })
    expect(incident?.summary).toMatchInlineSnapshot(
      `"it came and went 3 times since 2026-01-02T12:00:00.000Z, for 40s each time: UDP is dropped: node1 <-> node2"`,
    )
    expect(ids.size).toBe(1)
  })

  test('is shown with times of this host, whatever others claim', () => {
    const { incidents, pass } = follow(cut, often(2, [40, 50]), 9e15)
    pass(20, true)
    expect(incidents.all()[0]?.summary).toContain('3 times since 2026-01-02T12:00:00.000Z, for 40s each time')
  })

  test('stays open while it is calm between outages, and closes after five minutes without one', () => {
    const { incidents, pass, secondsClosed } = follow(cut, often(4, [40, 200]))
    expect(secondsClosed()).toBe(0)
    pass(90, false)
    expect(incidents.all()).toMatchObject([{ cause: 'link-flapping', state: 'open' }])
    pass(20, false)
    expect(incidents.all()).toMatchObject([{ cause: 'link-flapping', state: 'closed' }])
  })

  test('has its cause again once an outage lasts', () => {
    const { incidents, pass } = follow(cut, often(3, [40, 50]))
    pass(310, true)
    expect(incidents.all()).toMatchObject([{ cause: 'protocol-filtered', state: 'open' }])
  })

  test('does not flap if outages are an hour apart', () => {
    const { incidents, pass } = follow(cut, often(5, [40, 3_500]))
    pass(20, true)
    expect(incidents.all().map(({ cause }) => cause)).not.toContain('link-flapping')
  })

  test.each([
    { what: 'a link that loses packets now and then', fault: lossy, cause: 'packet-loss' },
    { what: 'a name server that is down now and then', fault: noName, cause: 'dns-server-down' },
  ])('is $what, and no flapping link', ({ fault, cause }) => {
    const { incidents, pass, ids } = follow(fault, often(3, [40, 50]))
    pass(20, true)
    expect(incidents.all()).toMatchObject([{ cause, state: 'open', summary: expect.stringContaining('4 times') }])
    expect(ids.size).toBe(1)
  })
})

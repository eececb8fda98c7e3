import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Peer } from '../../src/peers/peer.ts'
import { createRoster, type RosterChange } from '../../src/peers/roster.ts'
import { greeting } from '../support/greetings.ts'
import { knowledge, peer } from '../support/peers.ts'

function startRoster() {
  const changes: RosterChange[] = []
  const roster = createRoster({
    isSelf: ({ name }) => name === 'self',
    onChange: (change) => changes.push(change),
  })
  return {
    roster,
    changes,
    hear: (peers: readonly Peer[], heardAtMs?: number) =>
      roster.update(knowledge(peers, heardAtMs === undefined ? {} : { heardAtMs })),
    stateOf: (name: string) => [...roster.peers.values()].find((known) => known.name === name)?.state ?? 'gone',
  }
}

const minuteMs = 60_000

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

describe('the roster', () => {
  it('reports the peers that joined, changed and left, and nothing otherwise', () => {
    const { hear, changes } = startRoster()
    hear([peer('a')])
    hear([peer('a')])
    hear([peer('a', { state: 'leaving' })])
    hear([])
    expect(
      changes.map(({ joined, changed, left, disturbed }) => ({
        joined: joined.map(({ name }) => name),
        changed: changed.map(({ before, after }) => `${before.state} to ${after.state}`),
        left: left.map(({ name }) => name),
        disturbed,
      })),
    ).toEqual([
      { joined: ['a'], changed: [], left: [], disturbed: [] },
      { joined: [], changed: ['ready to leaving'], left: [], disturbed: ['uid-of-a'] },
      { joined: [], changed: [], left: ['a'], disturbed: ['uid-of-a'] },
    ])
  })

  it('omits this agent, and keeps what discovery reports about it', () => {
    const { hear, roster } = startRoster()
    hear([peer('self', { zone: 'zone-1' }), peer('a')])
    expect([...roster.peers.values()].map(({ name }) => name)).toEqual(['a'])
    expect(roster.own?.zone).toBe('zone-1')
  })

  it('replaces a peer by a successor of the same name', () => {
    const { hear, changes } = startRoster()
    hear([peer('a', { id: 'first' })])
    hear([peer('a', { id: 'second', addresses: ['10.0.0.2'] })])
    expect(changes[1]?.joined.map(({ id }) => id)).toEqual(['second'])
    expect(changes[1]?.disturbed).toEqual(['first'])
  })

  it('disturbs attempts in flight to a pod that comes back with another address', () => {
    const { hear, changes } = startRoster()
    hear([peer('a')])
    hear([peer('a', { addresses: ['10.0.0.9'] })])
    expect(changes[1]?.disturbed).toEqual(['uid-of-a'])
  })

  it('disturbs nothing when only facts about a peer change', () => {
    const { hear, changes } = startRoster()
    hear([peer('a')])
    hear([peer('a', { zone: 'zone-2' })])
    expect(changes[1]).toMatchObject({ changed: [{ after: { zone: 'zone-2' } }], disturbed: [] })
  })

  it('records when a peer entered its state', () => {
    const { hear, roster } = startRoster()
    const sinceMs = () => roster.peers.get('uid-of-a')?.stateSinceMs
    const startMs = Date.now()
    hear([peer('a')])
    vi.advanceTimersByTime(minuteMs)
    hear([peer('a', { zone: 'zone-2' })])
    expect(sinceMs()).toBe(startMs)
    hear([peer('a', { state: 'leaving' })])
    expect(sinceMs()).toBe(startMs + minuteMs)
  })

  it('reports a peer that joins together with what changed of another', () => {
    const { hear, changes } = startRoster()
    hear([peer('a')])
    hear([peer('a', { node: 'node-2' }), peer('b')])
    expect(changes[1]).toMatchObject({ joined: [{ name: 'b' }], changed: [{ after: { node: 'node-2' } }] })
  })

  it('names the source of its knowledge, and no peers before the first report', () => {
    const { hear, roster } = startRoster()
    expect([roster.knowledge, [...roster.peers]]).toEqual([{ source: 'nothing yet', heardAtMs: 0 }, []])
    hear([peer('a')], 7)
    expect(roster.knowledge).toEqual({ source: 'a test', heardAtMs: 7 })
  })

  it('has no peers when a goodbye or greeting arrives before the first report', () => {
    const { roster, changes } = startRoster()
    roster.hello(peer('a'), 'first')
    roster.met(peer('a'), undefined)
    roster.goodbye(peer('a'), 'first')
    expect([[...roster.peers], changes]).toEqual([[], []])
  })

  it('keeps a greeting as long as its peer is present', () => {
    const { hear, roster } = startRoster()
    hear([peer('a')])
    for (const name of ['a', 'b']) roster.met(peer(name), greeting(name, { nodeAddresses: ['192.0.2.1'] }))
    hear([peer('a'), peer('b')])
    expect([...roster.peers.values()].map(({ greeting }) => greeting?.nodeAddresses)).toEqual([
      ['192.0.2.1'],
      undefined,
    ])
    hear([])
    hear([peer('a')])
    expect(roster.peers.get('uid-of-a')?.greeting).toBeUndefined()
  })
})

describe('a peer of a list', () => {
  const listed = peer('a', { isAssumed: true })
  const list = { peers: [listed], source: 'configuration' }

  it('is starting until it accepts a connection, then ready', () => {
    const { roster, stateOf } = startRoster()
    roster.update(list)
    expect([...roster.peers.values()]).toMatchObject([{ state: 'starting', isAwaited: true }])
    roster.met(listed, undefined)
    expect(stateOf('a')).toBe('ready')
    roster.update(list)
    expect([...roster.peers.values()]).toMatchObject([{ state: 'ready', isAwaited: false }])
  })

  it('counts as ready after half a minute, though it never accepted a connection', () => {
    const { roster, stateOf, changes } = startRoster()
    roster.update(list)
    vi.advanceTimersByTime(29_999)
    roster.update(list)
    expect(stateOf('a')).toBe('starting')
    vi.advanceTimersByTime(1)
    expect(stateOf('a')).toBe('ready')
    expect(changes.at(-1)).toMatchObject({ changed: [{ before: { state: 'starting' }, after: { state: 'ready' } }] })
  })

  it('is a change when it is met, which disturbs attempts in flight if its state changes, and not if only its zone does', () => {
    const { roster, changes } = startRoster()
    roster.update(list)
    roster.met(listed, undefined)
    const zoned = greeting('a', { zone: 'zone-2' })
    for (const answer of [undefined, zoned, zoned]) roster.met(listed, answer)
    expect(changes.slice(1)).toMatchObject([
      { joined: [], left: [], changed: [{ after: { state: 'ready' } }], disturbed: ['uid-of-a'] },
      { joined: [], left: [], changed: [{ before: { state: 'ready' }, after: { zone: 'zone-2' } }], disturbed: [] },
    ])
  })

  it('is not ready because it sent a greeting: it must be reached from here', () => {
    const { roster, stateOf } = startRoster()
    roster.update(list)
    roster.hello(listed, 'first')
    expect(stateOf('a')).toBe('starting')
  })

  it('has the zone that it greets with, unless the list has one', () => {
    const { roster } = startRoster()
    roster.update({ ...list, peers: [listed, peer('b', { isAssumed: true, zone: 'listed' })] })
    for (const name of ['a', 'b']) roster.met(peer(name), greeting(name, { zone: 'greeted' }))
    expect([...roster.peers.values()].map(({ zone }) => zone)).toEqual(['greeted', 'listed'])
  })

  it('is not awaited if it said goodbye', () => {
    const { roster } = startRoster()
    roster.update(list)
    roster.goodbye(listed, 'first')
    expect([...roster.peers.values()]).toMatchObject([{ state: 'leaving', isAwaited: false }])
  })

  it('is awaited by a timer, which ends when it is met or leaves', () => {
    const { roster } = startRoster()
    roster.update({ ...list, peers: [listed, peer('b', { isAssumed: true })] })
    roster.update(list)
    expect(vi.getTimerCount()).toBe(1)
    roster.met(listed, undefined)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('is ready at once if its source knows that it runs', () => {
    const { hear, stateOf } = startRoster()
    hear([peer('a')])
    expect(stateOf('a')).toBe('ready')
  })
})

describe('a goodbye', () => {
  it('marks a peer as leaving before discovery does, until it is gone', () => {
    const { roster, hear, stateOf } = startRoster()
    hear([peer('a')])
    roster.goodbye(peer('a'), 'first')
    expect(stateOf('a')).toBe('leaving')
    hear([peer('a')])
    expect(stateOf('a')).toBe('leaving')
    hear([peer('a', { state: 'leaving' })])
    expect(stateOf('a')).toBe('leaving')
    hear([])
    expect(stateOf('a')).toBe('gone')
  })

  it('changes nothing if discovery reported it before', () => {
    const { roster, hear, changes } = startRoster()
    hear([peer('a', { state: 'leaving' })])
    roster.goodbye(peer('a'), 'first')
    expect(changes).toHaveLength(1)
  })

  it('does not apply to a successor', () => {
    const { roster, hear, stateOf } = startRoster()
    hear([peer('a', { id: 'first' })])
    roster.goodbye(peer('a', { id: 'first' }), 'first')
    hear([peer('a', { id: 'second' })])
    expect(stateOf('a')).toBe('ready')
  })

  it('ends when discovery has reported the peer not ready and then ready again', () => {
    const { roster, hear, stateOf } = startRoster()
    hear([peer('a')])
    roster.goodbye(peer('a'), 'first')
    hear([peer('a', { state: 'starting' })])
    expect(stateOf('a')).toBe('leaving')
    hear([peer('a')])
    expect(stateOf('a')).toBe('ready')
  })

  it('ends when another process of the peer greets, and not when the same does', () => {
    const { roster, hear, stateOf } = startRoster()
    hear([peer('a')])
    roster.goodbye(peer('a'), 'first')
    roster.hello(peer('a'), 'first')
    expect(stateOf('a')).toBe('leaving')
    roster.hello(peer('a'), 'second')
    expect(stateOf('a')).toBe('ready')
  })

  it('ends when another process of the peer answers our greeting, whatever its clock says', () => {
    const { roster, hear, stateOf } = startRoster()
    hear([peer('a')])
    roster.goodbye(peer('a'), 'first')
    roster.met(peer('a'), greeting('a', { process: 'second', startedAtMs: -1e300 }))
    expect(stateOf('a')).toBe('ready')
  })

  it('holds when the process that said it answers our greeting', () => {
    const { roster, hear, stateOf } = startRoster()
    hear([peer('a')])
    roster.goodbye(peer('a'), 'first')
    roster.met(peer('a'), greeting('a', { process: 'first' }))
    roster.met(peer('a'), undefined)
    expect(stateOf('a')).toBe('leaving')
  })

  it('is ignored if another process of the peer has greeted since', () => {
    const { roster, hear, stateOf } = startRoster()
    hear([peer('a')])
    roster.hello(peer('a'), 'second')
    roster.goodbye(peer('a'), 'first')
    expect(stateOf('a')).toBe('ready')
    roster.goodbye(peer('a'), 'second')
    expect(stateOf('a')).toBe('leaving')
  })

  it('ends when discovery keeps reporting the peer ready for a minute', () => {
    const { roster, hear, stateOf } = startRoster()
    hear([peer('a')], 1)
    roster.goodbye(peer('a'), 'first')
    vi.advanceTimersByTime(1_000)
    hear([peer('a')], 2)
    vi.advanceTimersByTime(minuteMs - 1)
    hear([peer('a')], 3)
    expect(stateOf('a')).toBe('leaving')
    vi.advanceTimersByTime(1)
    hear([peer('a')], 4)
    expect(stateOf('a')).toBe('ready')
  })

  it('holds while the source is silent, and for a minute after it answers again', () => {
    const { roster, hear, stateOf } = startRoster()
    hear([peer('a')], 1)
    roster.goodbye(peer('a'), 'first')
    for (const heardAtMs of [1, 1, 2]) {
      vi.advanceTimersByTime(2 * minuteMs)
      hear([peer('a')], heardAtMs)
      expect(stateOf('a')).toBe('leaving')
    }
    vi.advanceTimersByTime(minuteMs)
    hear([peer('a')], 2)
    expect(stateOf('a')).toBe('leaving')
  })

  it('ends after ten minutes, though its source is silent, and though it is said again', () => {
    const { roster, hear, stateOf } = startRoster()
    hear([peer('a')], 1)
    roster.goodbye(peer('a'), 'first')
    vi.advanceTimersByTime(10 * minuteMs - 1)
    roster.goodbye(peer('a'), 'first')
    expect(stateOf('a')).toBe('leaving')
    vi.advanceTimersByTime(1)
    expect(stateOf('a')).toBe('ready')
  })

  it('lasts a minute for a peer from a list, without another word of the list', () => {
    const { roster, stateOf } = startRoster()
    const listed = peer('a', { isAssumed: true })
    roster.update({ peers: [listed], source: 'configuration' })
    roster.met(listed, undefined)
    roster.goodbye(listed, 'first')
    vi.advanceTimersByTime(minuteMs - 1)
    expect(stateOf('a')).toBe('leaving')
    vi.advanceTimersByTime(1)
    expect(stateOf('a')).toBe('ready')
  })

  it('lasts as long when the wall clock of this host is set back or ahead', () => {
    const { roster, hear, stateOf } = startRoster()
    hear([peer('a')], 1)
    roster.goodbye(peer('a'), 'first')
    vi.setSystemTime(0)
    hear([peer('a')], 2)
    vi.setSystemTime(Date.UTC(2100, 0))
    hear([peer('a')], 3)
    expect(stateOf('a')).toBe('leaving')
    vi.setSystemTime(0)
    vi.advanceTimersByTime(minuteMs)
    hear([peer('a')], 4)
    expect(stateOf('a')).toBe('ready')
  })

  it('is dropped with its peer: one that comes back under its id is ready', () => {
    const { roster, hear, stateOf } = startRoster()
    hear([peer('a')])
    roster.goodbye(peer('a'), 'first')
    hear([])
    hear([peer('a')])
    expect(stateOf('a')).toBe('ready')
  })

  it('of a peer that is gone changes nothing, and none leaves a timer when the agent stops', () => {
    const { roster, hear, stateOf } = startRoster()
    roster.goodbye(peer('a'), 'first')
    hear([peer('a'), peer('b', { isAssumed: true })])
    expect(stateOf('a')).toBe('ready')
    roster.goodbye(peer('a'), 'first')
    expect(vi.getTimerCount()).toBe(2)
    roster.stop()
    expect(vi.getTimerCount()).toBe(0)
  })
})

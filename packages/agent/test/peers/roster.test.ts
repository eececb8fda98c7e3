import { describe, expect, it } from 'vitest'
import type { Peer } from '../../src/peers/peer.ts'
import { createRoster, type RosterChange } from '../../src/peers/roster.ts'
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
    hear([peer('a')])
    const sinceMs = roster.peers.get('uid-of-a')?.stateSinceMs ?? 0
    hear([peer('a', { zone: 'zone-2' })])
    expect(roster.peers.get('uid-of-a')?.stateSinceMs).toBe(sinceMs)
    expect(sinceMs).toBeGreaterThan(Date.now() - minuteMs)
  })

  it('keeps a greeting as long as its peer is present', () => {
    const { hear, roster } = startRoster()
    const greeting = {
      name: 'a',
      node: 'n',
      addresses: [],
      nodeAddresses: ['192.0.2.1'],
      version: '1',
      startedAtMs: 1,
      probes: [],
    }
    hear([peer('a')])
    roster.greeted(peer('a'), greeting)
    roster.greeted(peer('b'), greeting)
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

describe('a goodbye', () => {
  it('marks a peer as leaving before discovery does, until it is gone', () => {
    const { roster, hear, stateOf } = startRoster()
    hear([peer('a')])
    roster.goodbye(peer('a'), 1)
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
    roster.goodbye(peer('a'), 1)
    expect(changes).toHaveLength(1)
  })

  it('does not apply to a successor', () => {
    const { roster, hear, stateOf } = startRoster()
    hear([peer('a', { id: 'first' })])
    roster.goodbye(peer('a', { id: 'first' }), 1)
    hear([peer('a', { id: 'second' })])
    expect(stateOf('a')).toBe('ready')
  })

  it('ends when discovery has reported the peer not ready and then ready again', () => {
    const { roster, hear, stateOf } = startRoster()
    hear([peer('a')])
    roster.goodbye(peer('a'), 1)
    hear([peer('a', { state: 'starting' })])
    expect(stateOf('a')).toBe('leaving')
    hear([peer('a')])
    expect(stateOf('a')).toBe('ready')
  })

  it('ends when a later process of the peer sends a greeting, and only then', () => {
    const { roster, hear, stateOf } = startRoster()
    hear([peer('a')])
    roster.goodbye(peer('a'), 1_000)
    roster.hello(peer('a'), 1_000)
    expect(stateOf('a')).toBe('leaving')
    roster.hello(peer('a'), 2_000)
    expect(stateOf('a')).toBe('ready')
  })

  it('ends when discovery keeps reporting the peer ready for a minute', () => {
    const { roster, hear, stateOf } = startRoster()
    hear([peer('a')])
    roster.goodbye(peer('a'), 1)
    const saidMs = Date.now()
    hear([peer('a')], saidMs + 1_000)
    hear([peer('a')], saidMs + minuteMs)
    expect(stateOf('a')).toBe('leaving')
    hear([peer('a')], saidMs + minuteMs + 1_000)
    expect(stateOf('a')).toBe('ready')
  })

  it('holds while the source is silent, and for a minute after it answers again', () => {
    const { roster, hear, stateOf } = startRoster()
    const heardMs = Date.now() - 10_000
    hear([peer('a')], heardMs)
    roster.goodbye(peer('a'), 1)
    const backMs = Date.now() + 10 * minuteMs
    for (const heardAtMs of [heardMs, heardMs, backMs, backMs + minuteMs - 1]) {
      hear([peer('a')], heardAtMs)
      expect(stateOf('a')).toBe('leaving')
    }
  })

  it('holds for a peer from a list, which never ages', () => {
    const { roster, stateOf } = startRoster()
    const list = { peers: [peer('a')], source: 'configuration' }
    roster.update(list)
    roster.goodbye(peer('a'), 1)
    roster.update(list)
    expect(stateOf('a')).toBe('leaving')
  })

  it('is dropped with its peer: one that comes back under its id is ready', () => {
    const { roster, hear, stateOf } = startRoster()
    hear([peer('a')])
    roster.goodbye(peer('a'), 1)
    hear([])
    hear([peer('a')])
    expect(stateOf('a')).toBe('ready')
  })
})

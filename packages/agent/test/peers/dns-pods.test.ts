import { describe, expect, it } from 'vitest'
import { createDnsPods } from '../../src/peers/dns-pods.ts'
import type { KnownPeer } from '../../src/peers/roster.ts'
import { peer } from '../support/peers.ts'
import { known } from '../support/tasks.ts'

function podsBeside(agents: readonly KnownPeer[] = []) {
  const disturbed: string[] = []
  let present = agents
  const pods = createDnsPods({
    node: 'node-1',
    roster: {
      get peers() {
        return new Map(present.map((agent) => [agent.id, agent]))
      },
    },
    failing: () => new Set(),
    onDisturbed: (id) => disturbed.push(id),
  })
  return {
    pods,
    disturbed,
    setAgents(next: readonly KnownPeer[]) {
      present = next
      return pods.refresh()
    },
    states: () => Object.fromEntries([...pods.asked.values()].map(({ name, state }) => [name, state])),
  }
}

const onNode2 = { node: 'node-2' }

describe('servers of cluster DNS', () => {
  it('have the state that discovery reports, and one that leaves or moves is disturbed', () => {
    const { pods, disturbed, states } = podsBeside()
    const [a, b] = [peer('a'), peer('b')]
    expect(pods.update([a, { ...b, state: 'starting' }])).toBe(true)
    expect(states()).toEqual({ a: 'ready', b: 'starting' })
    expect(pods.update([a, { ...b, state: 'starting' }])).toBe(false)
    expect(pods.update([{ ...a, state: 'leaving' }, b])).toBe(true)
    expect(disturbed).toEqual([a.id, b.id])
    expect(pods.update([b])).toBe(true)
    expect(pods.update([{ ...b, addresses: ['10.0.0.99'] }])).toBe(true)
    expect(disturbed.slice(2)).toEqual([a.id, b.id])
  })

  it('are not ready while no agent on their node is, because that may be leaving', () => {
    const agent = known('scout-2', onNode2)
    const { pods, disturbed, setAgents, states } = podsBeside([agent])
    pods.update([peer('a', onNode2), peer('b', { node: 'node-1' })])
    expect(states()).toEqual({ a: 'ready', b: 'ready' })
    expect(setAgents([{ ...agent, state: 'leaving' }])).toBe(true)
    expect(states()).toEqual({ a: 'starting', b: 'ready' })
    expect(disturbed).toEqual([peer('a').id])
    setAgents([{ ...agent, state: 'leaving' }, known('scout-3', onNode2)])
    expect(states()['a']).toBe('ready')
  })

  it('of which there are many are a sample, of every zone', () => {
    const { pods } = podsBeside()
    const all = Array.from({ length: 60 }, (_, index) => peer(`pod-${index}`, { zone: `zone-${index % 3}` }))
    pods.update(all)
    expect(pods.asked.size).toBe(8)
    expect(new Set([...pods.asked.values()].map(({ zone }) => zone)).size).toBe(3)
  })
})

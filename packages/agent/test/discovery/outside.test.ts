import { describe, expect, it } from 'vitest'
import { eventually } from '../../../../test/support/eventually.ts'
import { createOutsideDiscovery, type OutsideOptions } from '../../src/discovery/outside.ts'
import type { Knowledge } from '../../src/peers/knowledge.ts'
import type { Peer } from '../../src/peers/peer.ts'
import { knowledge, peer } from '../support/peers.ts'

async function discover(options: Partial<OutsideOptions>) {
  const told: Knowledge[] = []
  const ways: string[] = []
  const asked: string[] = []
  let hear: ((news: Knowledge) => void) | undefined
  const inner = {
    async start(onKnowledge: (knowledge: Knowledge) => void) {
      hear = onKnowledge
    },
    stop() {},
  }
  const discovery = createOutsideDiscovery(inner, {
    proxyOf: ({ name }) => `http://127.0.0.1:8081/proxy/of/${name}`,
    isReachable: async () => true,
    onWay: (way) => ways.push(way),
    onDefect: (error) => {
      throw error
    },
    ...options,
    ...(options.isReachable === undefined
      ? {}
      : {
          isReachable: (peer: Peer) => (asked.push(peer.name), options.isReachable?.(peer) ?? Promise.resolve(false)),
        }),
  })
  await discovery.start((news) => told.push(news))
  return { told, ways, asked, hear: (peers: readonly Peer[]) => hear?.(knowledge(peers)) }
}

describe('a cluster seen from outside', () => {
  it('has its pods probed directly if one of them is reachable', async () => {
    const { told, ways, hear } = await discover({ isReachable: async ({ name }) => name === 'b' })
    hear([peer('a'), peer('b')])
    expect(told.at(-1)?.peers.map(({ state }) => state)).toEqual(['starting', 'starting'])
    await eventually(() => ways.length === 1, 'a way')
    expect(told.at(-1)?.peers).toEqual([peer('a'), peer('b')])
    expect(ways).toEqual(['pods are reachable from here: probing them directly'])
  })

  it('has HTTP probed through the API server if none is reachable', async () => {
    const { told, ways, hear } = await discover({ isReachable: async () => false })
    hear([peer('a')])
    await eventually(() => ways.length === 1, 'a way')
    expect(told.at(-1)?.peers).toEqual([{ ...peer('a'), proxy: 'http://127.0.0.1:8081/proxy/of/a' }])
    expect(ways).toEqual(["pods are not reachable from here: probing only HTTP, through the API server's proxy"])
  })

  it('is looked at again with the next news when looking failed by a defect', async () => {
    const defects: unknown[] = []
    let asked = 0
    const { ways, hear } = await discover({
      async isReachable() {
        if (++asked === 1) throw new Error('a defect')
        return true
      },
      onDefect: (error) => defects.push(error),
    })
    hear([peer('a')])
    await eventually(() => defects.length === 1, 'the defect')
    expect(ways).toEqual([])
    hear([peer('a')])
    await eventually(() => ways.length === 1, 'a way')
  })

  it('is not probed without a proxy either, and the remedy is reported', async () => {
    const { told, ways, hear } = await discover({ isReachable: async () => false, proxyOf: undefined })
    hear([peer('a')])
    await eventually(() => ways.length === 1, 'a way')
    expect(told.at(-1)?.peers[0]?.state).toBe('starting')
    expect(told.at(-1)?.trouble).toBe(
      'pods are not reachable from here: run kubectl proxy --port=8081 and pass --kube-api http://127.0.0.1:8081 to probe HTTP through the API server',
    )
  })

  it('is tested for reachability once, with a few pods on different nodes', async () => {
    const { ways, asked, hear } = await discover({ isReachable: async () => false })
    hear([peer('a', { state: 'starting' })])
    expect(asked).toEqual([])
    const many = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((name) => peer(name))
    hear([...many, peer('a2', { node: 'node-of-a' })])
    await eventually(() => ways.length === 1, 'a way')
    hear(many)
    expect(asked).toHaveLength(5)
    expect(ways).toHaveLength(1)
  })
})

import { describe, expect, it } from 'vitest'
import { baseUrl, directUrl, obstacleTo, reachOf, waysTo } from '../../src/peers/reach.ts'
import { peer } from '../support/peers.ts'

describe('the way to a responder', () => {
  const both = peer('a', { addresses: ['10.0.0.1', 'fd00::1'] })
  it.each([
    { own: ['192.0.2.1', '2001:db8::1'], base: 'http://10.0.0.1:8081' },
    { own: ['2001:db8::1'], base: 'http://[fd00::1]:8081' },
    { own: [], base: 'http://10.0.0.1:8081' },
  ])('is an address of a family both sides have: $own', ({ own, base }) => {
    expect(baseUrl(both, { addresses: own })).toBe(base)
  })

  it('is the proxy if there is one, and undefined without an address', () => {
    expect(baseUrl({ ...both, proxy: 'http://127.0.0.1:8001/p' }, { addresses: [] })).toBe('http://127.0.0.1:8001/p')
    expect(baseUrl(peer('a', { addresses: [] }), { addresses: [] })).toBeUndefined()
  })
})

describe('an address that is not of one host', () => {
  const odd = ['0.0.0.0', 'fe80::7', '224.0.0.1', 'scout', '10.0.0.7', '::ffff:10.0.0.7']

  it('is no way to a pod or a node, and hides no other', () => {
    const hosts = (path: 'pod' | 'node') =>
      waysTo({ ...peer('a', { addresses: odd }), greeting: { nodeAddresses: odd } }, path).map(
        ({ place }) => place.host,
      )
    expect([hosts('pod'), hosts('node')]).toEqual([['10.0.0.7'], ['10.0.0.7']])
  })
})

describe('a peer behind the proxy of an API server', () => {
  const behind = peer('a', { proxy: 'http://127.0.0.1:8001/p', addresses: ['fd00::1'] })

  it('has no URL at which it could recognize our requests', () => {
    expect([directUrl(peer('a'), { addresses: [] }), directUrl(behind, { addresses: [] })]).toEqual([
      'http://10.0.0.1:8081',
      undefined,
    ])
  })

  it('is reachable whatever its addresses', () => {
    const families = new Set(['ipv4'] as const)
    expect(obstacleTo(behind, families)).toBe('no check targets it')
    expect(obstacleTo(peer('a', { addresses: ['fd00::1'] }), families)).toMatch(/^it shares no address family/)
  })

  it('is reached differently than without it', () => {
    expect(new Set([peer('a'), peer('a', { port: 9 }), behind].map(reachOf)).size).toBe(3)
  })
})

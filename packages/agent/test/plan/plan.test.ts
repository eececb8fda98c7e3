import type { Family } from '@scout/core'
import { describe, expect, it } from 'vitest'
import type { KnownPeer } from '../../src/peers/roster.ts'
import type { Check } from '../../src/plan/check.ts'
import { planSeries } from '../../src/plan/plan.ts'
import { peer } from '../support/peers.ts'

const check = (name: string, protocol: Check['protocol'], target: string): Check => ({
  name,
  protocol,
  target,
  options: {},
})
const checks = [
  check('http', 'http', 'http://{host}:{port}/'),
  check('tcp', 'tcp', '{host}:{port}'),
  check('by-name', 'http', 'http://{name}.scout/'),
  check('dns', 'dns', 'kubernetes.default'),
]

function targets(more: Partial<KnownPeer>, families: readonly Family[] = ['ipv4', 'ipv6']): readonly string[] {
  const known: KnownPeer = { ...peer('a', { addresses: ['10.0.0.1', 'fd00::1'] }), stateSinceMs: 0, ...more }
  return [...planSeries(checks, [known], new Set(families)).values()].map(({ target }) => target)
}

describe('the plan', () => {
  it('has a series for each check and address, and one for each check that is not about addresses', () => {
    expect(targets({})).toEqual([
      'http://10.0.0.1:8081/',
      'http://[fd00::1]:8081/',
      '10.0.0.1:8081',
      '[fd00::1]:8081',
      'http://a.scout/',
      'kubernetes.default',
    ])
  })

  it('leaves out addresses of families this agent has not', () => {
    expect(targets({}, ['ipv6'])).toEqual([
      'http://[fd00::1]:8081/',
      '[fd00::1]:8081',
      'http://a.scout/',
      'kubernetes.default',
    ])
  })

  it('has HTTP to the responder, and nothing else, of a peer behind the proxy of an API server', () => {
    expect(targets({ proxy: 'http://127.0.0.1:8001/api/v1/namespaces/scout/pods/a:8081/proxy' })).toEqual([
      'http://127.0.0.1:8001/api/v1/namespaces/scout/pods/a:8081/proxy/',
      'kubernetes.default',
    ])
  })

  it('has nothing for a peer without addresses', () => {
    expect(targets({ addresses: [] })).toEqual(['kubernetes.default'])
  })
})

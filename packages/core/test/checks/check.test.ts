import { describe, expect, test } from 'vitest'
import { catalogue } from '../../src/checks/catalogue.ts'
import { type CheckDefinition, isAboutPeers, makeCheck, placeAt, targetAt } from '../../src/checks/check.ts'

const intervalMs = 10_000
const make = (definition: CheckDefinition) => makeCheck(definition, { intervalMs })

describe('a check', () => {
  test.for([
    ['http', 'http://10.0.0.1:8081/', 'http://[fd00::1]:8081/'],
    ['tcp', '10.0.0.1:8081', '[fd00::1]:8081'],
    ['icmp', '10.0.0.1', '[fd00::1]'],
  ] as const)('of %s targets a peer in the form of its probe', ([protocol, ipv4, ipv6]) => {
    const check = make({ name: protocol, protocol })
    expect(check.path).toBe('pod')
    expect([targetAt(check, placeAt('10.0.0.1', 8081)), targetAt(check, placeAt('fd00::1', 8081))]).toEqual([
      ipv4,
      ipv6,
    ])
  })

  test('of the responder over HTTP works through a proxy, and no other does', () => {
    const proxy = { base: 'http://127.0.0.1:8001/api/v1/namespaces/scout/pods/a:8081/proxy', name: 'a', node: 'n' }
    const large = make({ name: 'large', protocol: 'http', target: 'http://{host}:{port}/bytes?size=9' })
    expect(targetAt(large, proxy)).toBe(`${proxy.base}/bytes?size=9`)
    expect(targetAt(make({ name: 'tcp', protocol: 'tcp' }), proxy)).toBeUndefined()
  })

  test('that is a stream has twenty attempts in each interval, but not more than two a second', () => {
    const perInterval = [30_000, 10_000, 1_600, 700].map(
      (generalMs) => makeCheck({ name: 'udp', protocol: 'udp', isStream: true }, { intervalMs: generalMs }).perInterval,
    )
    expect(perInterval).toEqual([20, 20, 3, 1])
    expect(make({ name: 'udp', protocol: 'udp' }).perInterval).toBeUndefined()
  })

  test('without a placeholder of a peer does not target peers', () => {
    expect(isAboutPeers(make({ name: 'dns', protocol: 'dns' }))).toBe(false)
    expect(make({ name: 'dns', protocol: 'dns' }).path).toBe('dns-server')
    expect(make({ name: 'api', protocol: 'http', target: 'https://kubernetes.default.svc/livez' }).path).toBe('name')
    expect(isAboutPeers(make({ name: 'node', protocol: 'icmp', target: '{node}' }))).toBe(true)
  })

  test('uses shared options that its probe supports, and prefers its own', () => {
    const defaults = { intervalMs, options: { timeoutMs: 900, key: 'secret' } }
    expect(makeCheck({ name: 'udp', protocol: 'udp' }, defaults).options).toMatchObject({
      timeoutMs: 900,
      key: 'secret',
    })
    expect(makeCheck({ name: 'tcp', protocol: 'tcp', options: { timeoutMs: 100 } }, defaults).options).toMatchObject({
      timeoutMs: 100,
    })
  })

  test('is rejected before any peer is known if it could never run', () => {
    expect(() => make({ name: 'x', protocol: 'tpc' })).toThrow('did you mean tcp?')
    expect(() => make({ name: 'x', protocol: 'tcp', target: '{host}' })).toThrow('the port is missing')
    expect(() => make({ name: 'x', protocol: 'tcp', target: '{hosts}:80' })).toThrowErrorMatchingInlineSnapshot(
      `[ScoutError: the target "{hosts}:80" has an unknown placeholder {hosts}: did you mean {host}?]`,
    )
    expect(() => make({ name: 'x', protocol: 'udp', options: { payloadBytes: 3 } })).toThrow('payloadBytes')
  })
})

describe('the catalogue', () => {
  test('has valid checks, each with a unique name and an interval', () => {
    const checks = catalogue.map(make)
    expect(new Set(checks.map(({ name }) => name)).size).toBe(checks.length)
    expect(Object.fromEntries(checks.map(({ name, intervalMs: ms }) => [name, ms / 1000]))).toMatchInlineSnapshot(`
      {
        "dns": 10,
        "dns-kept": 10,
        "dns-parallel": 30,
        "dns-tcp": 30,
        "http": 10,
        "http-large": 30,
        "icmp": 10,
        "icmp-large": 30,
        "syn": 10,
        "tcp": 30,
        "tcp-idle": 605,
        "udp": 10,
        "udp-fragmented": 30,
        "udp-large": 10,
      }
    `)
  })

  test('keeps an idle connection of each link, and a socket that queries names', () => {
    const kept = catalogue.map(make).flatMap(({ name, socket }) => (socket === undefined ? [] : [[name, socket]]))
    expect(kept).toEqual([
      ['tcp-idle', 'idle'],
      ['dns-kept', 'kept'],
    ])
  })

  test('states how many bytes each check sends or requests, if that is configurable', () => {
    const sizes = catalogue.map(make).flatMap(({ name, bytes }) => (bytes === undefined ? [] : [[name, bytes]]))
    expect(Object.fromEntries(sizes)).toEqual({
      'http-large': 100_000,
      udp: 64,
      'udp-large': 1400,
      'udp-fragmented': 4000,
      icmp: 56,
      'icmp-large': 1400,
    })
  })
})

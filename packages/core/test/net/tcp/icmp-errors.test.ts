import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeWith } from '../../../../../test/support/requirements.ts'
import { createProber, type Prober } from '../../../src/attempt/prober.ts'
import type { Family } from '../../../src/model/endpoint.ts'
import type { FailureReason } from '../../../src/model/failure.ts'
import { formatHostPort } from '../../../src/model/target.ts'
import { createNetwork, type Network, networkNeeds } from '../native/network.ts'

/** Ports that a firewall rejects, each in another way (nftables, reject statement). */
const rejections: Readonly<Record<Family, readonly Rejection[]>> = {
  ipv4: [
    [9001, 'icmp host-prohibited', 'prohibited', 3, 10],
    [9002, 'icmp admin-prohibited', 'prohibited', 3, 13],
    [9003, 'icmp net-prohibited', 'prohibited', 3, 9],
    [9004, 'icmp net-unreachable', 'unreachable', 3, 0],
    [9005, 'icmp host-unreachable', 'unreachable', 3, 1],
    [9006, 'icmp port-unreachable', 'refused', 3, 3],
  ],
  ipv6: [
    [9001, 'icmpv6 admin-prohibited', 'prohibited', 1, 1],
    [9002, 'icmpv6 no-route', 'unreachable', 1, 0],
    [9003, 'icmpv6 addr-unreachable', 'unreachable', 1, 3],
    [9004, 'icmpv6 port-unreachable', 'refused', 1, 4],
  ],
}

type Rejection = readonly [port: number, how: string, reason: FailureReason, type: number, code: number]

describeWith(...networkNeeds, 'nft')('a handshake that an ICMP error ends', () => {
  let network: Network
  let prober: Prober

  beforeAll(() => {
    network = createNetwork()
    const { router } = network
    // A router sends only a few errors a second to one host (icmp(7)).
    router.run('sysctl', '-qw', 'net.ipv4.icmp_ratelimit=0', 'net.ipv6.icmp.ratelimit=0')
    for (const [family, table] of [
      ['ipv4', 'ip'],
      ['ipv6', 'ip6'],
    ] as const) {
      router.run('nft', 'add', 'table', table, 'scout')
      router.run('nft', `add chain ${table} scout forward { type filter hook forward priority 0; }`)
      for (const [port, how] of rejections[family])
        router.run('nft', `add rule ${table} scout forward tcp dport ${port} reject with ${how}`)
    }
    prober = createProber({ vantages: { near: network.near.path } })
  })

  afterAll(() => {
    prober.close()
    network.remove()
  })

  const protocols = [
    ['tcp', ''],
    ['http', 'http://'],
    ['http', 'https://'],
  ] as const

  for (const family of ['ipv4', 'ipv6'] as const) {
    test.for(rejections[family])(
      `over ${family} has the code and the sender of the error: port %i, %s`,
      async (rejection) => {
        const [port, , reason, type, code] = rejection
        for (const [protocol, scheme] of protocols) {
          const target = `${scheme}${formatHostPort(network.far[family], port)}`
          const result = await prober.probe(protocol, target, { vantage: 'near' })
          expect(result).toMatchObject({
            ok: false,
            failure: {
              reason,
              phase: 'connect',
              code: `ICMP ${type}/${code}`,
              icmp: { type, code, from: network.router[family] },
            },
          })
        }
      },
    )
  }

  test('has none if the other side refuses it', async () => {
    const result = await prober.probe('tcp', formatHostPort(network.far.ipv4, 9999), { vantage: 'near' })
    expect(result).toMatchObject({ failure: { reason: 'refused', code: 'ECONNREFUSED' } })
    expect(result.ok ? {} : result.failure).not.toHaveProperty('icmp')
  })

  test('may be that of a router without the destination', async () => {
    network.router.run('ip', 'route', 'add', 'prohibit', '198.51.100.7')
    expect(await prober.probe('tcp', '198.51.100.7:80', { vantage: 'near' })).toMatchObject({
      failure: { reason: 'prohibited', icmp: { type: 3, code: 13, from: network.router.ipv4 } },
    })
  })
})

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { describeWith } from '../../support/requirements.ts'
import { type Lab, openLab } from '../src/index.ts'
import { all, allOk, type Battery, datagrams, hosts, observe, pods, podsIpv4, tcp } from './support/battery.ts'
import { allowTime, labNeeds } from './support/namespaces.ts'

/** What a fault does to the clients; those not named see nothing of it. */
interface Signature {
  readonly fault: string
  readonly parameters?: Readonly<Record<string, string | number>>
  readonly seen: Partial<Battery>
}

const httpOn8081 = ['http', 'http6', 'download', 'upload'] as const
const silent = 'silent'
// On a path without any delay the answer is there before connect() returns. IPv6 then notes it for the next SYN, a second
// later (tcp_v6_err in linux/net/ipv6/tcp_ipv6.c, when the socket is owned), which is silence to an impatient client.
const noted = { http6: silent } as const

/** Faults a tunnel could make a difference to. */
const everywhere: readonly Signature[] = [
  { fault: 'icmp-blocked', seen: all(silent, 'ping', 'pingFull', 'ping6', 'hostPing') },
  { fault: 'udp-blocked', seen: all(silent, ...datagrams) },
  { fault: 'udp-blocked', parameters: { vantage: 'host' }, seen: {} },
  { fault: 'tcp-blocked', seen: all(silent, ...tcp, 'hostHttp') },
  { fault: 'tcp-blocked', parameters: { vantage: 'pod' }, seen: all(silent, ...tcp) },
  { fault: 'one-way-loss', seen: all(silent, ...pods, ...hosts) },
  { fault: 'one-way-loss', parameters: { direction: 'backward' }, seen: all(silent, ...pods, ...hosts) },
  {
    fault: 'reject-port-unreachable',
    seen: {
      ...all('connection refused', ...tcp, ...datagrams, 'hostHttp'),
      ...all('destination port unreachable', 'ping', 'pingFull', 'hostPing'),
      ...noted,
      ping6: 'destination unreachable: port unreachable',
    },
  },
  {
    fault: 'egress-denied',
    seen: {
      ...all(silent, 'ping', 'pingFull', 'ping6', ...tcp),
      ...all('operation not permitted', 'udp', 'udpFull', 'udpFragmented'),
      dns: silent,
    },
  },
  { fault: 'egress-denied', parameters: { vantage: 'host', protocol: 'tcp' }, seen: all(silent, 'hostHttp') },
  { fault: 'mtu-blackhole', seen: all(silent, 'pingFull', 'download', 'upload', 'udpFull', 'udpFragmented') },
  {
    fault: 'mtu-blackhole',
    parameters: { direction: 'forward' },
    seen: all(silent, 'pingFull', 'upload', 'udpFull', 'udpFragmented'),
  },
  { fault: 'frag-needed-filtered', seen: all(silent, 'pingFull', 'download', 'upload', 'udpFull') },
  { fault: 'fragments-dropped', seen: all(silent, 'udpFragmented') },
  { fault: 'missing-route', seen: all(silent, ...pods) },
  { fault: 'asymmetric-route', seen: all(silent, ...podsIpv4) },
  { fault: 'one-sided-firewall', seen: all(silent, ...pods, ...hosts) },
  { fault: 'neighbour-table-full', seen: all(silent, ...pods, ...hosts) },
  { fault: 'accept-queue-full', seen: all(silent, ...httpOn8081) },
  {
    fault: 'ttl-expiry',
    seen: {
      ...all('time to live exceeded', 'ping', 'pingFull'),
      ...all('no route to host', ...tcp),
      ...all(silent, ...datagrams),
      ...noted,
      ping6: 'time exceeded: hop limit',
    },
  },
  { fault: 'node-down', seen: all(silent, ...pods, ...hosts) },
]

const inRouted: readonly Signature[] = [
  { fault: 'port-blocked', seen: all(silent, ...httpOn8081, 'hostHttp') },
  { fault: 'port-blocked', parameters: { protocol: 'udp', port: 53 }, seen: all(silent, 'dns') },
  { fault: 'network-policy', seen: all(silent, 'httpOtherPort') },
  { fault: 'ipv6-dead', seen: all(silent, 'ping6', 'http6') },
  { fault: 'reject-reset', seen: all('connection refused', ...tcp, 'hostHttp') },
  {
    fault: 'reject-admin-prohibited',
    seen: {
      ...all('no route to host', ...tcp, ...datagrams, 'hostHttp'),
      ...all('packet filtered', 'ping', 'pingFull', 'hostPing'),
      ping6: 'destination unreachable: administratively prohibited',
      ...noted,
      dns: 'host unreachable',
    },
  },
  {
    fault: 'reject-host-unreachable',
    seen: {
      ...all('no route to host', ...tcp, 'hostHttp'),
      ...all('destination host unreachable', 'ping', 'pingFull', 'hostPing'),
      ...all(silent, ...datagrams),
      ...noted,
      ping6: 'destination unreachable: address unreachable',
    },
  },
  { fault: 'syn-ack-lost', seen: all(silent, ...tcp, 'hostHttp') },
  { fault: 'first-syn-lost', seen: all(silent, ...tcp, 'hostHttp') },
  { fault: 'reset-on-data', seen: all('connection reset by peer', ...httpOn8081, 'hostHttp') },
  { fault: 'reset-after-bytes', seen: all('connection reset by peer', 'download') },
  { fault: 'dns-down', seen: all(silent, 'dns') },
  { fault: 'dns-servfail', seen: all('servfail', 'dns') },
  { fault: 'dns-nxdomain', seen: all('nxdomain', 'dns') },
  { fault: 'dns-refused', seen: all('refused', 'dns') },
  { fault: 'dns-truncated', seen: all('truncated', 'dns') },
  { fault: 'dns-replica-dead', seen: all(silent, 'dns') },
  { fault: 'endpoint-blackholed', seen: all(silent, ...httpOn8081) },
  { fault: 'endpoint-refusing', seen: all('connection refused', ...httpOn8081) },
  { fault: 'icmpv6-filtered', seen: all(silent, 'ping6', 'http6') },
]

const inVxlan: readonly Signature[] = [
  { fault: 'overlay-blocked', seen: all(silent, ...pods) },
  { fault: 'wrong-vtep', seen: all(silent, ...pods) },
  { fault: 'checksums-broken', seen: all(silent, ...tcp, ...datagrams) },
  { fault: 'vxlan-mtu', seen: all(silent, 'download', 'upload', 'udpFragmented') },
]

const labs = [
  { network: 'routed', signatures: [...everywhere, ...inRouted] },
  { network: 'vxlan', signatures: [...everywhere, ...inVxlan] },
] as const

for (const { network, signatures } of labs) {
  describeWith(...labNeeds)(`in a ${network} network`, () => {
    allowTime()
    let lab: Lab

    beforeAll(async () => {
      lab = await openLab({ network, zones: 2, dnsReplicas: 2 })
      await lab.startWorkload(['pod1', 'pod2', 'pod3', 'node2'])
    })
    afterEach(() => lab.healAll())
    afterAll(() => lab.close())

    test('everything works when nothing is wrong', async () => {
      expect(await observe(lab)).toEqual(allOk)
    })

    for (const { fault, parameters = {}, seen } of signatures) {
      const words = Object.entries(parameters).map(([key, value]) => `${key}=${value}`)
      test(`${[fault, ...words].join(' ')} is seen as the catalogue says, and healed`, async () => {
        const injection = await lab.inject(fault, parameters)
        expect(await observe(lab)).toEqual({ ...allOk, ...seen })
        const hits = await injection.hits()
        expect(hits > 0, `${hits} hits`).toBe(Object.keys(seen).length > 0)
        await injection.heal()
        expect(await observe(lab)).toEqual(allOk)
      })
    }
  })
}

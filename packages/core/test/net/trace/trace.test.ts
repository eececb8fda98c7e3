import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished } from 'vitest'
import { canDropRawSockets, startChild } from '../../../../../test/support/child.ts'
import { describeWith, testWith } from '../../../../../test/support/requirements.ts'
import { createProber } from '../../../src/attempt/prober.ts'
import type { TraceFlow } from '../../../src/probes/hops.ts'
import type { OptionsOf } from '../../../src/probes/index.ts'
import { networkNeeds } from '../native/network.ts'
import { createPath, farAddresses, type Path, smallMtu } from './path.ts'

const test = testWith()
const [far4, far6] = farAddresses

/** Addresses of the hops over each family; r3 is silent, and the second hop is one of two. */
const hops = {
  ipv4: ['10.9.1.2', '10.9.21.2 or 10.9.22.2', '-', '10.9.4.2', '10.9.5.2', '10.9.6.2', '10.9.7.2', far4],
  ipv6: ['fd09:1::2', 'fd09:21::2 or fd09:22::2', '-', 'fd09:4::2', 'fd09:5::2', 'fd09:6::2', 'fd09:7::2', far6],
} as const

describeWith(...networkNeeds, 'nft')('a trace', () => {
  let path: Path

  beforeAll(() => {
    path = createPath()
  })
  beforeEach(() => path.refill())
  afterAll(() => path.remove())

  async function traceTo(target: string, options: OptionsOf<'trace'> = {}) {
    const prober = createProber({ vantages: { near: `/run/netns/${path.namespaceOf('near')}` } })
    onTestFinished(() => prober.close())
    return prober.probe('trace', target, { vantage: 'near', ...options })
  }

  describe.for([
    ['ipv4', far4, (port: number) => `${far4}:${port}`],
    ['ipv6', far6, (port: number) => `[${far6}]:${port}`],
  ] as const)('over %s', ([family, far, farAt]) => {
    test.for([
      ['icmp', 'one packet for each and a pilot', far, 9],
      ['udp', 'one packet for each', far, 8],
      ['tcp', 'one packet for each and a pilot', farAt(8000), 9],
    ] as const)('by %s finds all hops with %s', async ([transport, , target, packets]) => {
      const result = await traceTo(target, { transport, count: 1 })
      expect(result).toMatchObject({
        ok: true,
        clock: { tx: 'kernel', rx: 'kernel' },
        detail: { transport, isReached: true },
      })
      expect(addressesOf(result.detail?.flows?.[0], hops[family])).toEqual(hops[family])
      expect(result.packets?.sent).toBe(packets)
      expect(result.totalNs).toBeLessThan(1e9)
    })

    test('takes all packets of a flow the same way, and flows both ways', async () => {
      const result = await traceTo(farAt(8000), { flows: 16, count: 3 })
      const ways = (result.detail?.flows ?? []).map((flow) => flow.hops[1]?.from.map(({ address }) => address))
      expect(ways.every((way) => way?.length === 1)).toBe(true)
      expect(new Set(ways.flat())).toEqual(new Set(hops[family][1].split(' or ')))
      const ports = (result.detail?.flows ?? []).map(({ sourcePort }) => sourcePort)
      expect(new Set(ports).size).toBe(16)
    })

    test('does not take the limit of a hop, nor the silence of another, for loss', async () => {
      const result = await traceTo(far, { count: 4 })
      const [flow] = result.detail?.flows ?? []
      expect(flow?.hops.map(({ sent, forwards }) => ({ sent, forwards }))).toEqual(
        [1, 2, 3, 4, 5, 6, 7, 8].map((hop) => ({ sent: 4, forwards: hop === 3 || hop === 4 ? true : undefined })),
      )
      expect(flow?.hops[2]).toMatchObject({ returned: 0, lossRatio: 1, from: [] })
      expect(flow?.hops[3]?.lossRatio).toBeGreaterThan(0)
      expect(flow?.hops[7]).toMatchObject({ returned: 4, lossRatio: 0, from: [{ isTarget: true }] })
      // The pilot is one of those to the target.
      expect(result.packets?.sent).toBe(32)
    })

    test('reports the MTU that a hop reports, and goes on with packets that fit', async () => {
      const result = await traceTo(far, { transport: 'udp', count: 1, payloadBytes: 1400 })
      expect(result).toMatchObject({ ok: true })
      const mtus = result.detail?.flows?.[0]?.hops.map(({ from }) => from[0]?.mtu)
      expect(mtus).toEqual([undefined, undefined, undefined, undefined, smallMtu, undefined, undefined, undefined])
    })

    test('without the privilege sends UDP and reads its error queue', async ({ skip }) => {
      skip(!canDropRawSockets.isMet, canDropRawSockets.reason)
      const child = await unprivileged()
      const result = await child.probe('trace', far, { count: 1 })
      expect(result).toMatchObject({ ok: true, clock: { tx: 'kernel', rx: 'kernel' }, detail: { transport: 'udp' } })
      expect(addressesOf(result.detail?.flows?.[0], hops[family])).toEqual(hops[family])
    })
  })

  test('without the privilege sends echo requests through ping sockets, if its group may', async ({ skip }) => {
    skip(!canDropRawSockets.isMet, canDropRawSockets.reason)
    path.run('near', 'sysctl', '-qw', 'net.ipv4.ping_group_range=0 0')
    const child = await unprivileged()
    for (const [family, far] of [
      ['ipv4', far4],
      ['ipv6', far6],
    ] as const) {
      path.refill()
      const result = await child.probe('trace', far, { count: 1 })
      expect(result).toMatchObject({ ok: true, detail: { transport: 'icmp' } })
      expect(addressesOf(result.detail?.flows?.[0], hops[family])).toEqual(hops[family])
    }
    path.run('near', 'sysctl', '-qw', 'net.ipv4.ping_group_range=1 0')
  })

  test('without the privilege cannot send SYNs, and says what it lacks', async ({ skip }) => {
    skip(!canDropRawSockets.isMet, canDropRawSockets.reason)
    const result = await (await unprivileged()).probe('trace', `${far4}:8000`, { transport: 'tcp' })
    expect(result).toMatchObject({
      ok: false,
      failure: { reason: 'not-permitted', message: expect.stringContaining('CAP_NET_RAW') },
    })
  })

  test('to a host that is down ends with the error of the last router', async () => {
    const result = await traceTo('10.9.8.77', { count: 1, timeoutMs: 10_000 })
    expect(result).toMatchObject({
      ok: false,
      failure: { reason: 'unreachable', icmp: { type: 3, code: 1, from: '10.9.7.2' } },
      detail: { isReached: false },
    })
    expect(result.detail?.flows?.[0]?.hops[6]?.from[0]?.address).toBe('10.9.7.2')
  })

  test('to a service that does not answer names the last hop that does', async () => {
    path.run('far', 'nft', 'table inet deaf { chain in { type filter hook input priority 0; udp dport 9000 drop; }; }')
    const result = await traceTo(`${far4}:9000`, { transport: 'udp', count: 1, waitMs: 200, timeoutMs: 1_000 })
    expect(result).toMatchObject({
      ok: false,
      failure: { reason: 'timeout', message: expect.stringContaining('the last hop that answered is 7, 10.9.7.2') },
    })
  })

  test('ends soon where packets go in circles', async () => {
    path.run('r6', 'ip', 'route', 'add', '10.9.99.0/24', 'via', '10.9.6.1')
    const result = await traceTo('10.9.99.1', { count: 1 })
    expect(result).toMatchObject({
      ok: false,
      failure: { reason: 'expired', message: expect.stringMatching(/10\.9\.[56]\.2.*routing loop/) },
    })
    expect(result.packets?.sent).toBeLessThan(20)
  })

  test('names the flows that one of two ways loses', async () => {
    path.run('r2b', 'ip', 'route', 'replace', 'blackhole', '10.9.8.0/24')
    const result = await traceTo(`${far4}:8000`, { flows: 16, count: 1 })
    path.run('r2b', 'ip', 'route', 'delete', 'blackhole', '10.9.8.0/24')
    const flows = result.detail?.flows ?? []
    expect(result.ok).toBe(true)
    expect(new Set(flows.map(({ isReached }) => isReached))).toEqual(new Set([true, false]))
    for (const { isReached, hops: own } of flows)
      expect(own[1]?.from.map(({ address }) => address)).toEqual(isReached ? ['10.9.21.2'] : [])
  })

  test('whose first hop is down ends with what this host finds out', async () => {
    path.run('r1', 'ip', 'link', 'set', 'to-near', 'down')
    const result = await traceTo(far4, { count: 1, timeoutMs: 10_000 })
    expect(result).toMatchObject({ ok: false, failure: { reason: 'unreachable', icmp: { from: '10.9.1.1' } } })
  })

  async function unprivileged() {
    const drop = ['setpriv', '--bounding-set', '-net_raw', '--inh-caps', '-net_raw']
    const child = await startChild(['ip', 'netns', 'exec', path.namespaceOf('near'), ...drop])
    onTestFinished(() => child.close())
    return child
  }
})

/** Returns the address of each hop, and of a hop with several both where it has one of them. */
function addressesOf(flow: TraceFlow | undefined, expected: readonly string[]): readonly string[] {
  return (flow?.hops ?? []).map(({ hop, from }) => {
    const address = from.map((each) => each.address).join(' ')
    const choice = expected[hop - 1] ?? ''
    return address === '' ? '-' : choice.split(' or ').includes(address) ? choice : address
  })
}

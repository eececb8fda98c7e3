import { fileURLToPath } from 'node:url'
import type { ResultOf } from '@scout/core'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type Lab, openLab } from '../../../test/lab/src/index.ts'
import { allowTime, labNeeds } from '../../../test/lab/test/support/namespaces.ts'
import { assertBuilt } from '../../../test/support/built.ts'
import { describeWith, nativePart } from '../../../test/support/requirements.ts'

const cli = fileURLToPath(new URL('../bin/scout-probe.js', import.meta.url))
const port = 9191
const pod2 = { ipv4: `10.244.2.10:${port}`, ipv6: `[fd00:244:2::10]:${port}` }

function useLab(network: 'routed' | 'vxlan') {
  allowTime()
  let opened: Lab | undefined
  const lab = () => {
    if (opened === undefined) throw new Error('the lab is not up yet')
    return opened
  }
  beforeAll(async () => {
    assertBuilt('packages/core')
    assertBuilt('packages/cli')
    opened = await openLab({ nodes: 2, network, dnsReplicas: 0 })
    const server = opened.spawn('pod2', [process.execPath, cli, 'serve', '--port', String(port)])
    const said = server.lines()
    for await (const line of said) if (line.includes('udp at')) break
  })
  afterEach(() => lab().healAll())
  afterAll(() => lab().close())
  return lab
}

/** What the probe found, its result, and what it takes. */
async function find(lab: Lab, target: string, wrapper: readonly string[] = []) {
  const { stdout, stderr, status } = await lab.run('pod1', [...wrapper, process.execPath, cli, 'mtu', target, '--json'])
  if (stdout === '') throw new Error(`it ended with ${status}: ${stderr}`)
  const result = JSON.parse(stdout) as ResultOf<'mtu'>
  const { verdict, pathMtu, interfaceMtu, knownMtu, forward, back, reports, tcp, unknown, askedBy } =
    result.detail ?? {}
  const says = result.ok ? result.detail.says : result.failure.message
  process.stdout.write(`    ${Math.round(result.totalNs / 1e6)} ms, ${result.packets?.sent} packets: ${says}\n`)
  return {
    status,
    says,
    verdict,
    pathMtu,
    interfaceMtu,
    knownMtu,
    forward,
    back,
    reports,
    tcp,
    unknown,
    askedBy,
    result,
  }
}

const passes = { forward: 'passes', back: 'passes' }

describeWith(...labNeeds, nativePart)('the path MTU', () => {
  const lab = useLab('routed')

  test.each(Object.entries(pod2))('of a healthy path is that of the interface, over %s', async (_, target) => {
    expect(await find(lab(), target)).toMatchObject({
      status: 0,
      verdict: 'full',
      pathMtu: 1500,
      interfaceMtu: 1500,
      forward: { passes: 1500 },
      back: { passes: 1500 },
      reports: [],
      tcp: passes,
      askedBy: ['ICMP echo', 'STAMP'],
      unknown: [],
    })
  })

  test('that is reported is no black hole', async () => {
    const fault = await lab().inject('path-mtu', { size: 1400 })
    const first = await find(lab(), pod2.ipv4)
    expect(first).toMatchObject({ status: 0, verdict: 'reported', pathMtu: 1400, interfaceMtu: 1500, tcp: passes })
    expect(first.reports).toEqual([{ type: 3, code: 4, from: '10.244.1.1', mtu: 1400 }])
    expect(await fault.hits()).toBeGreaterThan(0)
    // By now the kernel of this host knows; the probe does not take its word for it.
    expect(await find(lab(), pod2.ipv4)).toMatchObject({ verdict: 'reported', pathMtu: 1400, knownMtu: 1400 })
  })

  test('that is reported over IPv6 has the next-hop MTU of the router', async () => {
    await lab().inject('path-mtu', { size: 1280 })
    const found = await find(lab(), pod2.ipv6)
    expect(found).toMatchObject({ status: 0, verdict: 'reported', pathMtu: 1280, tcp: passes })
    expect(found.reports).toMatchObject([{ type: 2, code: 0, mtu: 1280 }])
  })

  test.each([
    ['forward', pod2.ipv4, { forward: { passes: 1400, fails: 1401 }, back: { passes: 1500 } }],
    ['backward', pod2.ipv4, { forward: { passes: 1500 }, back: { passes: 1400, fails: 1401 } }],
    ['both', pod2.ipv4, { forward: { passes: 1400, fails: 1401 }, back: { passes: 1400, fails: 1401 } }],
    ['forward', pod2.ipv6, { forward: { passes: 1400, fails: 1401 }, back: { passes: 1500 } }],
    ['backward', pod2.ipv6, { forward: { passes: 1500 }, back: { passes: 1400, fails: 1401 } }],
  ])('of a black hole has its direction and its size: %s of %s', async (direction, target, directions) => {
    const fault = await lab().inject('mtu-blackhole', { direction, size: 1400 })
    const found = await find(lab(), target)
    expect(found).toMatchObject({
      status: 1,
      verdict: 'black-hole',
      pathMtu: 1400,
      interfaceMtu: 1500,
      reports: [],
      tcp: {
        forward: direction === 'backward' ? 'passes' : 'stalls',
        back: direction === 'forward' ? 'passes' : 'stalls',
      },
      unknown: [],
    })
    expect({ forward: found.forward, back: found.back }).toEqual(directions)
    expect(found.result).toMatchObject({ ok: false, failure: { reason: 'black-hole' } })
    expect(await fault.hits()).toBeGreaterThan(0)
  })

  test('of black holes of two sizes has both', async () => {
    const sizes = { forward: 1437, backward: 1391 }
    for (const [direction, size] of Object.entries(sizes)) await lab().inject('mtu-blackhole', { direction, size })
    const found = await find(lab(), pod2.ipv4)
    expect(found).toMatchObject({ forward: { passes: 1437, fails: 1438 }, back: { passes: 1391, fails: 1392 } })
    await lab().healAll()
    for (const [direction, size] of Object.entries(sizes))
      await lab().inject('mtu-blackhole', { direction: direction === 'forward' ? 'backward' : 'forward', size })
    const turned = await find(lab(), pod2.ipv4)
    expect(turned).toMatchObject({ forward: { passes: 1391, fails: 1392 }, back: { passes: 1437, fails: 1438 } })
  })

  test('without the port of a responder leaves the way back unknown where the way there loses', async () => {
    await lab().inject('mtu-blackhole', { direction: 'forward', size: 1400 })
    const found = await find(lab(), '10.244.2.10')
    expect(found).toMatchObject({ status: 1, forward: { passes: 1400, fails: 1401 }, back: { passes: 1400 } })
    expect(found.unknown).toEqual([
      'whether more than 1400 bytes pass on the way back: name the port of a Scout responder (scout-probe serve)',
    ])
  })

  test('is no black hole where packets of every size are lost', async () => {
    await lab().inject('random-loss', { percentage: 10 })
    for (let round = 0; round < 3; round++)
      expect(await find(lab(), pod2.ipv4)).toMatchObject({ verdict: 'full', pathMtu: 1500 })
  })

  test('is not known of a target that is down', async () => {
    await lab().inject('node-down')
    const { status, result } = await find(lab(), pod2.ipv4)
    expect(status).toBe(1)
    expect(result).toMatchObject({ ok: false, failure: { phase: 'reach' } })
  })

  test('is found without any privilege', async () => {
    await lab().inject('mtu-blackhole', { direction: 'forward', size: 1400 })
    const unprivileged = ['setpriv', '--bounding-set', '-all', '--inh-caps', '-all', '--no-new-privs']
    const found = await find(lab(), pod2.ipv4, unprivileged)
    expect(found).toMatchObject({ forward: { passes: 1400, fails: 1401 }, back: { passes: 1500 }, unknown: [] })
  })

  test('is found where nobody answers a ping, on the way there even without a responder', async () => {
    const drop =
      'add table ip quiet; add chain ip quiet input { type filter hook input priority 0; }; add rule ip quiet input icmp type echo-request drop'
    await lab().run('pod2', ['nft', drop])
    await lab().inject('mtu-blackhole', { direction: 'forward', size: 1400 })
    const found = await find(lab(), pod2.ipv4)
    expect(found).toMatchObject({
      forward: { passes: 1400, fails: 1401 },
      back: { passes: 1500 },
      askedBy: ['STAMP'],
    })
    const blind = await find(lab(), '10.244.2.10')
    expect(blind).toMatchObject({
      verdict: 'black-hole',
      forward: { passes: 1400, fails: 1401 },
      askedBy: ['closed UDP port'],
    })
    expect(blind.back).toBeUndefined()
    expect(blind.unknown).toEqual([expect.stringMatching(/^the way back was not tested/)])
    await lab().run('pod2', ['nft', 'delete table ip quiet'])
  })

  test('does not matter to an echo request that may be fragmented', async () => {
    const send = async (payloadBytes: number, dontFragment: string) => {
      const flags = ['--payload-bytes', String(payloadBytes), '--dont-fragment', dontFragment, '--count', '1', '--json']
      const { stdout } = await lab().run('pod1', [process.execPath, cli, 'icmp', '10.244.2.10', ...flags])
      const result = JSON.parse(stdout) as ResultOf<'icmp'>
      return result.ok ? 'passes' : `${result.failure.reason}: ${result.failure.message}`
    }
    expect(await send(1472, 'on')).toBe('passes')
    expect(await send(1473, 'on')).toMatch(
      /^too-big: sending to 10\.244\.2\.10, where packets of up to 1500 bytes pass/,
    )
    expect(await send(1473, 'off')).toBe('passes')
    await lab().inject('path-mtu', { size: 1400 })
    // Of each size twice: the first may teach this host the path MTU, which the second must not heed.
    for (const _ of [1, 2]) expect(await send(1400, 'on')).toMatch(/^too-big: .* ICMP type 3 code 4 /)
    for (const _ of [1, 2]) expect(await send(1400, 'off')).toBe('passes')
  })

  test('may be more than this host sends by a route of its own', async () => {
    await lab().run('pod1', ['sh', '-c', 'ip route replace 10.244.2.10 via 10.244.1.1 dev eth0 onlink mtu 1380'])
    const found = await find(lab(), pod2.ipv4)
    expect(found).toMatchObject({ verdict: 'full', pathMtu: 1500, knownMtu: 1380 })
    expect(found.says).toContain('this host sends at most 1380 bytes there')
    await lab().run('pod1', ['ip', 'route', 'del', '10.244.2.10'])
  })

  test('of jumbo frames is found, and a switch that does not carry them, too', async () => {
    const sh = (place: string, script: string) => lab().run(place, ['sh', '-c', script])
    await sh('underlay', 'for i in node1 node2 bridge-a; do ip link set $i mtu 9000; done')
    for (const node of [1, 2]) {
      await sh(`node${node}`, `ip link set eth0 mtu 9000; ip link set pod${node} mtu 9000`)
      await sh(`pod${node}`, 'ip link set eth0 mtu 9000')
    }
    expect(await find(lab(), pod2.ipv4)).toMatchObject({ verdict: 'full', pathMtu: 9000, interfaceMtu: 9000 })
    await lab().inject('mtu-blackhole', { direction: 'both', size: 1500 })
    expect(await find(lab(), pod2.ipv4)).toMatchObject({ verdict: 'black-hole', pathMtu: 1500, interfaceMtu: 9000 })
  })
})

describeWith(...labNeeds, nativePart)('the path MTU of an overlay', () => {
  const lab = useLab('vxlan')

  test('is that of the interface in a pod, which leaves room for the tunnel', async () => {
    expect(await find(lab(), pod2.ipv4)).toMatchObject({
      verdict: 'full',
      pathMtu: 1450,
      interfaceMtu: 1450,
      tcp: passes,
    })
  })

  test('is less where the pods believe in more than fits the tunnel', async () => {
    await lab().inject('vxlan-mtu')
    const found = await find(lab(), pod2.ipv4)
    expect(found).toMatchObject({ status: 1, verdict: 'black-hole', pathMtu: 1450, interfaceMtu: 1500 })
    expect(found).toMatchObject({ forward: { passes: 1450, fails: 1451 }, back: { passes: 1450, fails: 1451 } })
  })
})

import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { assertBuilt } from '../../support/built.ts'
import { describeWith } from '../../support/requirements.ts'
import { connect, dns, http, lookupSeconds } from './support/clients.ts'
import { heldSockets } from './support/held-sockets.ts'
import { during, useLab } from './support/lab.ts'
import { labNeeds } from './support/namespaces.ts'

const probeProgram = fileURLToPath(new URL('../../../packages/cli/bin/scout-probe.js', import.meta.url))
const service = '10.96.0.80'
const clusterDns = '10.96.0.10'

describeWith(...labNeeds)('faults of services and names', () => {
  const lab = useLab({ dnsReplicas: 2 })
  const connectAll = (place: string) => connect(lab(), place, { address: service, count: 60, patienceSeconds: 0.8 })

  test.each(['endpoint-blackholed', 'endpoint-refusing'])(
    '%s takes its share of connections through the service',
    async (fault) => {
      const answered = await during(lab(), [fault], () => connectAll('pod1'))
      // Two of three endpoints are left.
      expect(answered.length).toBeGreaterThan(25)
      expect(answered.length).toBeLessThan(55)
      expect(await connectAll('pod1')).toHaveLength(60)
    },
  )

  test('missing service rules silence the service on that node alone', async () => {
    const places = ['pod1', 'node1', 'pod2']
    const look = () => Promise.all(places.map((place) => http(place, service)(lab())))
    expect(await during(lab(), ['service-rules-missing'], look)).toEqual(['silent', 'silent', 'ok'])
    expect(await look()).toEqual(['ok', 'ok', 'ok'])
  })

  test('a broken hairpin fails exactly where a pod would reach itself', async () => {
    const [own, other] = await during(lab(), ['hairpin-broken'], async () => [
      await connectAll('pod1'),
      await connectAll('pod2'),
    ])
    expect(own?.length).toBeGreaterThan(25)
    expect(own?.length).toBeLessThan(55)
    expect(other).toHaveLength(60)
    expect(await connectAll('pod1')).toHaveLength(60)
  })

  test('a stale translation silences the open sockets of its endpoint, and no new ones', async () => {
    const sockets = await heldSockets(lab(), 'pod1', [service, 80, 30])
    expect(await sockets.ask()).toBe(30)
    const left = await during(lab(), ['nat-entry-stale'], async () => {
      const fresh = await heldSockets(lab(), 'pod1', [service, 80, 30])
      const answers = [await sockets.ask(), await fresh.ask()]
      await fresh.close()
      return answers
    })
    expect(left[0]).toBeGreaterThan(5)
    expect(left[0]).toBeLessThan(30)
    expect(left[1]).toBe(30)
    expect(await sockets.ask()).toBe(30)
    await sockets.close()
  })

  test('no endpoints behind the DNS service means refused, over UDP and TCP', async () => {
    const look = () =>
      Promise.all([
        dns('pod1', clusterDns)(lab()),
        dns('pod1', clusterDns, '+tcp')(lab()),
        dns('node1', clusterDns)(lab()),
      ])
    const refused = 'connection refused'
    expect(await during(lab(), ['dns-no-endpoints'], look)).toEqual([refused, refused, refused])
    expect(await look()).toEqual(['ok', 'ok', 'ok'])
  })

  test('a dead replica takes its share of queries through the service', async () => {
    const look = () => Promise.all(Array.from({ length: 24 }, () => dns('pod1', clusterDns)(lab())))
    const answered = (await during(lab(), ['dns-replica-dead'], look)).filter((outcome) => outcome === 'ok')
    expect(answered.length).toBeGreaterThan(2)
    expect(answered.length).toBeLessThan(22)
    expect((await look()).every((outcome) => outcome === 'ok')).toBe(true)
  })

  test('slow name servers answer as late as configured', async () => {
    const look = async () => {
      const { stdout } = await lab().run('pod1', [
        'dig',
        `@${clusterDns}`,
        'kube-dns.default.svc.cluster.local',
        '+time=3',
        '+tries=1',
      ])
      return Number(/Query time: (\d+) msec/.exec(stdout)?.[1])
    }
    const timeMs = await during(lab(), ['dns-slow', { milliseconds: 700 }], look)
    expect(timeMs).toBeGreaterThan(690)
    expect(timeMs).toBeLessThan(1100)
    expect(await look()).toBeLessThan(400)
  })

  test('lossy name servers miss every second query', async () => {
    const look = async () => {
      const seen = []
      for (let query = 0; query < 4; query++) seen.push(await dns('pod1', '10.244.1.53')(lab()))
      return seen.toSorted()
    }
    expect(await during(lab(), ['dns-lossy'], look)).toEqual(['ok', 'ok', 'silent', 'silent'])
    expect(await look()).toEqual(['ok', 'ok', 'ok', 'ok'])
  })

  test('a name server drops what is no message, over UDP and TCP, and goes on answering', async () => {
    const send = String.raw`printf garbage > /dev/udp/$0/53; printf '\000\007garbage' > /dev/tcp/$0/53`
    await lab().run('pod1', ['bash', '-c', send, '10.244.1.53'])
    const look = () => Promise.all([dns('pod1', '10.244.1.53')(lab()), dns('pod1', '10.244.1.53', '+tcp')(lab())])
    expect(await look()).toEqual(['ok', 'ok'])
  })

  test('truncated answers stay truncated because TCP is dead', async () => {
    const look = () => Promise.all([dns('pod1', clusterDns)(lab()), dns('pod1', clusterDns, '+tcp')(lab())])
    expect(await during(lab(), ['dns-truncated'], look)).toEqual(['truncated', 'silent'])
    expect(await look()).toEqual(['ok', 'ok'])
  })

  // The C library waits 5 s for an answer; configured to wait 2 s, it shows the same in less time.
  const impatient = 'timeout:2'

  test('the race of A and AAAA costs the C library a timeout, and a single query nothing', async () => {
    const [single, both] = await during(lab(), ['dns-race'], () =>
      Promise.all([dns('pod1', clusterDns)(lab()), lookupSeconds(lab(), 'pod1', impatient)]),
    )
    expect(single).toBe('ok')
    expect(both).toBeGreaterThan(1.9)
    expect(await lookupSeconds(lab(), 'pod1', impatient)).toBeLessThan(1)
  })

  test('the dns probe says which of two queries the race loses, and passes with one query or over TCP', async () => {
    assertBuilt('packages/cli')
    const look = async (...options: readonly string[]) => {
      const target = `echo.default.svc.cluster.local@${clusterDns}`
      const flags = ['--json', '--count', '1', '--timeout', '1s', ...options]
      const { stdout } = await lab().run('pod1', [process.execPath, probeProgram, 'dns', target, ...flags])
      const result: { readonly ok: boolean; readonly failure?: { readonly code?: string } } = JSON.parse(
        stdout.split('\n')[0] ?? '',
      )
      return result.ok ? 'ok' : result.failure?.code
    }
    const looks = () => Promise.all([look('--parallel'), look(), look('--transport', 'tcp')])
    expect(await during(lab(), ['dns-race'], looks)).toEqual(['LOST_AAAA', 'ok', 'ok'])
    expect(await looks()).toEqual(['ok', 'ok', 'ok'])
  })

  test('a dead first name server costs every lookup a timeout', async () => {
    const [direct, lookup] = await during(lab(), ['dns-first-server-dead'], () =>
      Promise.all([dns('pod1', clusterDns)(lab()), lookupSeconds(lab(), 'pod1', impatient)]),
    )
    expect(direct).toBe('ok')
    expect(lookup).toBeGreaterThan(1.9)
    expect(await lookupSeconds(lab(), 'pod1', impatient)).toBeLessThan(1)
  })
})

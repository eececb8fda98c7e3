import { expect, test, vi } from 'vitest'
import { describeWith, testWith } from '../../support/requirements.ts'
import type { Lab } from '../src/index.ts'
import { connect, http, median, ping, pingTimesMs, udp } from './support/clients.ts'
import { during, useLab } from './support/lab.ts'
import { labNeeds } from './support/namespaces.ts'

const pod2 = '10.244.2.10'
const web = `${pod2}:8081`

describeWith(...labNeeds)('faults of time and chance', () => {
  const lab = useLab({ dnsReplicas: 0 })

  test('delay lengthens every round trip by itself and by hardly more', async () => {
    const before = median(await pingTimesMs(lab(), 'pod1', [pod2, 15]))
    const seen = await during(lab(), ['delay', { milliseconds: 20 }], () => pingTimesMs(lab(), 'pod1', [pod2, 15]))
    expect(seen).toHaveLength(15)
    expect(median(seen) - before).toBeGreaterThan(19.9)
    expect(median(seen) - before).toBeLessThan(25)
    expect(median(await pingTimesMs(lab(), 'pod1', [pod2, 15]))).toBeLessThan(15)
  })

  test('delay holds the chosen protocol alone, and says how exact it was', async () => {
    const injection = await lab().inject('delay', { protocol: 'udp', milliseconds: 1500 })
    expect(await ping('pod1', pod2)(lab())).toBe('ok')
    expect(await udp('pod1', pod2)(lab())).toBe('silent')
    expect(await injection.hits()).toBe(1)
    expect(await injection.report()).toEqual([
      expect.stringMatching(/^held \d packets, late by [\d.]+ ms at the median/),
    ])
    await injection.heal()
    expect(await udp('pod1', pod2)(lab())).toBe('ok')
  })

  testWith('python3')('delay does without a compiler', async () => {
    const helper = new URL('../helper/delay.py', import.meta.url).pathname
    const install = `printf '#!/bin/sh\\nexec python3 "%s" "$@"\\n' '${helper}' > "$0" && chmod +x "$0"`
    const own = '/run/scout-lab/delay'
    await lab().run('pod1', ['sh', '-c', `mv ${own} ${own}.c; ${install}`, own])
    const seen = await during(lab(), ['delay', { milliseconds: 20 }], () => pingTimesMs(lab(), 'pod1', [pod2, 15]))
    await lab().run('pod1', ['rm', own])
    expect(seen).toHaveLength(15)
    expect(median(seen)).toBeGreaterThan(19.9)
    expect(median(seen)).toBeLessThan(27)
  })

  test('jitter spreads round trips around the delay', async () => {
    const seen = await during(lab(), ['delay', { milliseconds: 20, jitter: 10 }], () =>
      pingTimesMs(lab(), 'pod1', [pod2, 40]),
    )
    expect((seen.at(-3) ?? 0) - (seen[2] ?? 0)).toBeGreaterThan(8)
  })

  test('jitter alone lengthens some round trips and hardly any others', async () => {
    const before = median(await pingTimesMs(lab(), 'pod1', [pod2, 15]))
    const seen = await during(lab(), ['jitter', { milliseconds: 40 }], () => pingTimesMs(lab(), 'pod1', [pod2, 60]))
    expect(seen).toHaveLength(60)
    expect((seen[0] ?? 0) - before).toBeLessThan(8)
    expect((seen.at(-3) ?? 0) - before).toBeGreaterThan(25)
    expect(median(await pingTimesMs(lab(), 'pod1', [pod2, 15]))).toBeLessThan(15)
  })

  test('reordering lets later packets overtake and loses none', async () => {
    const look = () => pingOrder(lab(), 60)
    const seen = await during(lab(), ['reordering', { milliseconds: 25 }], look)
    expect(overtaken(seen)).toBeGreaterThan(0)
    expect(seen).toHaveLength(60)
    expect(overtaken(await look())).toBe(0)
  })

  test('random loss takes its share of pings, and connects that lose a SYN take a second longer', async () => {
    const [returned, opened] = await during(lab(), ['random-loss'], () =>
      Promise.all([
        pingTimesMs(lab(), 'pod1', [pod2, 100]),
        connect(lab(), 'pod1', { address: web, count: 40, patienceSeconds: 2.5 }),
      ]),
    )
    // 20 % each way leaves 64 %.
    expect(returned.length).toBeGreaterThan(45)
    expect(returned.length).toBeLessThan(83)
    expect(opened.filter((seconds) => seconds > 1 && seconds < 1.5).length).toBeGreaterThan(0)
    expect(await pingTimesMs(lab(), 'pod1', [pod2, 40])).toHaveLength(40)
  })

  test('periodic loss takes what is sent in its moments, and nothing in between', async () => {
    const order = await during(lab(), ['periodic-loss', { lost: 200, passing: 400 }], () => pingOrder(lab(), 150))
    const gaps = order.map((number, index) => number - (order[index - 1] ?? 0)).filter((gap) => gap > 1)
    // A third of the pings, in two or three gaps.
    expect(order.length).toBeGreaterThan(60)
    expect(gaps.length).toBeGreaterThan(1)
    expect(median(gaps.toSorted((a, b) => a - b))).toBeGreaterThan(10)
    expect(await pingOrder(lab(), 150)).toHaveLength(150)
  })

  test('a brown-out ends by itself', async () => {
    const injection = await lab().inject('brown-out', { milliseconds: 1500 })
    expect(await ping('pod1', pod2)(lab())).toBe('silent')
    await vi.waitFor(async () => expect(await ping('pod1', pod2)(lab())).toBe('ok'), { timeout: 10_000 })
    expect(await injection.hits()).toBeGreaterThan(0)
    await injection.heal()
    expect(await ping('pod1', pod2)(lab())).toBe('ok')
  })

  test('rules that come and go do not come back after they are healed', async () => {
    const injection = await lab().inject('periodic-loss', { lost: 1, passing: 1 })
    await vi.waitFor(
      async () => {
        await ping('pod1', pod2)(lab())
        expect(await injection.hits()).toBeGreaterThan(0)
      },
      { timeout: 10_000 },
    )
    await injection.heal()
    expect((await lab().run('node2', ['nft', 'list', 'tables'])).stdout).not.toContain('fault')
  })

  test('a lost first SYN costs every connect one second', async () => {
    const opened = await during(lab(), ['first-syn-lost'], () =>
      connect(lab(), 'pod1', { address: web, count: 5, patienceSeconds: 2.5 }),
    )
    expect(opened).toHaveLength(5)
    expect(opened.every((seconds) => seconds > 1 && seconds < 1.5)).toBe(true)
    expect(await http('pod1', web)(lab())).toBe('ok')
  })

  test('a slow link with a short queue delays and loses under load', async () => {
    const { timesMs, idleMs, resentPackets } = await during(lab(), ['rate-limit'], () => load(lab()))
    expect(idleMs).toBeLessThan(20)
    expect(timesMs.at(-1)).toBeGreaterThan(50)
    expect(timesMs.at(-1)).toBeLessThan(400)
    expect(resentPackets).toBeGreaterThan(0)
    await expectHealthy(lab())
  })

  test('a slow link with a deep queue delays more, and loses nothing', async () => {
    const { timesMs, idleMs } = await during(lab(), ['bufferbloat'], () => load(lab()))
    expect(idleMs).toBeLessThan(20)
    expect(timesMs).toHaveLength(pings)
    expect(timesMs.at(-1)).toBeGreaterThan(400)
    await expectHealthy(lab())
  })

  test('an application that fills a slow link delays every packet for as long as it is there', async () => {
    const injection = await lab().inject('bufferbloat', { load: 4 })
    const delayed = async () => median(await pingTimesMs(lab(), 'pod1', [pod2, 15]))
    await vi.waitFor(async () => expect(await delayed()).toBeGreaterThan(200), { timeout: 20_000 })
    expect(await delayed()).toBeLessThan(2_000)
    await injection.heal()
    await expectHealthy(lab())
  })

  test('policing slows transfers down and delays nothing', async () => {
    const { timesMs, uploadSeconds } = await during(lab(), ['policing'], () => load(lab()))
    expect(uploadSeconds).toBeGreaterThan(0.5)
    expect(median(timesMs)).toBeLessThan(20)
    await expectHealthy(lab())
  })

  test('the flows of one path are dead, the same ones every time', async () => {
    const ports = Array.from({ length: 24 }, (_, index) => 41_000 + index)
    const deadPorts = async () => {
      // The server closes, so that the port is free again for the same flow.
      const options = (port: number) => ['--local-port', String(port), '-H', 'Connection: close']
      const outcomes = await Promise.all(ports.map((port) => http('pod1', web, ...options(port))(lab())))
      return ports.filter((_, index) => outcomes[index] === 'silent')
    }
    const seen = await during(lab(), ['flow-loss'], async () => [await deadPorts(), await deadPorts()])
    expect(seen[0]).toEqual(seen[1])
    expect(seen[0]?.length).toBeGreaterThan(0)
    expect(seen[0]?.length).toBeLessThan(12)
    expect(await deadPorts()).toEqual([])
  })
})

const pings = 40

/** Sequence numbers of pings that are sent 10 ms apart, as their answers arrive. */
async function pingOrder(lab: Lab, count: number): Promise<readonly number[]> {
  const { stdout } = await lab.run('pod1', ['ping', '-nc', String(count), '-i', '0.01', '-W', '1', pod2])
  return [...stdout.matchAll(/icmp_seq=(\d+)/g)].map(([, number]) => Number(number))
}

function overtaken(order: readonly number[]): number {
  return order.filter((number, index) => number < (order[index - 1] ?? 0)).length
}

/** On a healthy link 200 kB are no load. */
async function expectHealthy(lab: Lab) {
  const { timesMs, uploadSeconds } = await load(lab)
  expect(uploadSeconds).toBeLessThan(0.5)
  expect(timesMs).toHaveLength(pings)
  expect(median(timesMs)).toBeLessThan(20)
}

/** Pings while 200 kB are sent, and one before. */
async function load(lab: Lab) {
  const idleMs = median(await pingTimesMs(lab, 'pod1', [pod2, 5]))
  const resentBefore = await resent(lab)
  const send = `head -c 200000 /dev/zero | curl -s -o /dev/null -w '%{time_total}' -m 5 -H Expect: --data-binary @- http://${web}`
  const [upload, { stdout }] = await Promise.all([
    lab.run('pod1', ['sh', '-c', send]),
    lab.run('pod1', ['ping', '-nc', String(pings), '-i', '0.03', '-W', '3', pod2]),
  ])
  const timesMs = [...stdout.matchAll(/time=([\d.]+)/g)].map(([, time]) => Number(time)).toSorted((a, b) => a - b)
  const resentPackets = (await resent(lab)) - resentBefore
  return { idleMs, timesMs, resentPackets, uploadSeconds: Number(upload.stdout) }
}

/** How many packets TCP has sent again from the first pod. */
async function resent(lab: Lab): Promise<number> {
  const { stdout } = await lab.run('pod1', ['nstat', '-asz', 'TcpRetransSegs'])
  return Number(/TcpRetransSegs\s+(\d+)/.exec(stdout)?.[1])
}

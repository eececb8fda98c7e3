import { createProber, makeCheck, type Prober } from '@scout/core'
import { expect, onTestFinished } from 'vitest'
import { eventually } from '../../../test/support/eventually.ts'
import { nativePart, testWith } from '../../../test/support/requirements.ts'
import { listenUdp } from '../../../test/support/servers.ts'
import { stampAnswerTo } from '../../../test/support/stamp.ts'
import { createAttempts } from '../src/attempts.ts'
import { createMemory } from '../src/memory/memory.ts'
import type { Recorded } from '../src/memory/series.ts'
import type { KnownPeer } from '../src/peers/roster.ts'
import { planTasks } from '../src/plan/plan.ts'

interface Attempted {
  readonly peer: string
  readonly recorded: Recorded['change']
  /** Time from its end to its record. */
  readonly delayMs: number
}

interface SetUp {
  readonly portOf: (name: string) => number
  readonly intervalMs?: number
  readonly options?: Readonly<Record<string, unknown>>
  readonly setTasks?: Prober['setTasks']
}

/** Attempts of one check by a real prober. */
function setUp({ portOf, intervalMs = 10, options = {}, setTasks }: SetUp) {
  const prober = createProber({ onResults: (results) => attempts.receive(results) })
  const check = makeCheck({ name: 'udp', protocol: 'udp', options }, { intervalMs })
  const attempted: Attempted[] = []
  const defects: unknown[] = []
  const peers = new Map<string, KnownPeer>()
  const vantage = {
    prober: { ...prober, setTasks: setTasks ?? prober.setTasks },
    port: 0,
    counters: () => ({}),
    arrivals: () => new Map(),
    hasThread: true,
    silentMs: () => 0,
    failed: new Promise<never>(() => {}),
    close: async () => {},
  }
  const attempts = createAttempts({
    vantages: { all: () => [['pod', vantage]] },
    memory: createMemory(),
    settleMs: 0,
    peerOf: (name) => peers.get(name),
    onAttempted: ({ peer }, { startedAtMs, totalNs }, { change: recorded }) =>
      attempted.push({ peer: peer?.name ?? '', recorded, delayMs: Date.now() - startedAtMs - totalNs / 1e6 }),
    onDefect: (error) => defects.push(error),
  })
  onTestFinished(() => {
    attempts.stop()
    prober.close()
  })
  return {
    attempts,
    attempted,
    defects,
    prober,
    plan(...names: readonly string[]) {
      peers.clear()
      for (const name of names) peers.set(name, peerCalled(name, portOf(name)))
      attempts.setTasks(
        planTasks({ checks: [check], peers: peers.values(), families: new Set(['ipv4']), from: 'here' }),
      )
    },
  }
}

function peerCalled(name: string, port: number): KnownPeer {
  return { id: name, name, node: name, addresses: ['127.0.0.1'], port, state: 'ready', stateSinceMs: 0 }
}

testWith(nativePart)(
  'each link uses all source ports in turn, with any number of links, whatever is planned',
  async () => {
    const sources = new Map<string, number[]>()
    const ports = new Map<string, number>()
    const names = Array.from({ length: 16 }, (_, index) => `peer-${index}`)
    for (const name of names) {
      const seen: number[] = []
      sources.set(name, seen)
      const server = await listenUdp((bytes, { port, address }, socket) => {
        seen.push(port)
        socket.send(stampAnswerTo(bytes), port, address)
      })
      ports.set(name, server.address().port)
    }
    const { plan } = setUp({ portOf: (name) => ports.get(name) ?? 0 })
    plan(...names)
    const reach = (count: number) =>
      eventually(() => [...sources.values()].every(({ length }) => length >= count), `${count} attempts on each link`)
    await reach(5)
    plan(...names.toReversed())
    // As many links as ports: with one rotation for all links, each would always get the same port.
    await reach(16)
    expect([...sources.values()].map((seen) => new Set(seen.slice(0, 16)).size)).toEqual(names.map(() => 16))
  },
)

testWith()('records failures and recoveries at once, and further successes within a second', async () => {
  let isAnswering = true
  const server = await listenUdp((bytes, { port, address }, socket) => {
    if (isAnswering) socket.send(stampAnswerTo(bytes), port, address)
  })
  const names = Array.from({ length: 8 }, (_, index) => `peer-${index}`)
  const { plan, attempted } = setUp({
    portOf: () => server.address().port,
    intervalMs: 100,
    options: { timeoutMs: 50 },
  })
  const changes = (kind: Attempted['recorded']) => attempted.filter(({ recorded }) => recorded === kind)
  plan(...names)
  await eventually(() => attempted.length >= 3 * names.length, 'successes')
  isAnswering = false
  await eventually(() => changes('began-failing').length === names.length, 'all fail')
  isAnswering = true
  await eventually(() => changes('recovered').length === names.length, 'all recover')
  await eventually(() => attempted.at(-1)?.recorded === 'steady', 'further successes')
  for (const kind of ['began-failing', 'recovered'] as const) {
    const delays = changes(kind).map(({ delayMs }) => delayMs)
    // As batches of a second, half of them would take 500 ms or more.
    expect(delays.toSorted((a, b) => a - b)[names.length / 2]).toBeLessThan(200)
  }
  for (const { delayMs } of attempted) expect(delayMs).toBeLessThan(2_000)
})

testWith()('a link that begins to fail is attempted more often than its interval says', async () => {
  const server = await listenUdp(() => {})
  const { plan, attempted } = setUp({
    portOf: () => server.address().port,
    intervalMs: 10_000,
    options: { timeoutMs: 50 },
  })
  plan('peer')
  await eventually(() => attempted.length > 0, 'the first failure', 12_000)
  await eventually(() => attempted.length >= 4, 'three more before the interval is over twice', 15_000)
})

testWith()('attempts nothing on peers that are gone, and records no result of theirs', async () => {
  const asked = new Map([
    ['a', 0],
    ['b', 0],
  ])
  const ports = new Map<string, number>()
  for (const name of asked.keys()) {
    const server = await listenUdp((bytes, { port, address }, socket) => {
      asked.set(name, (asked.get(name) ?? 0) + 1)
      socket.send(stampAnswerTo(bytes), port, address)
    })
    ports.set(name, server.address().port)
  }
  const { plan, attempted } = setUp({ portOf: (name) => ports.get(name) ?? 0 })
  plan('a', 'b')
  await eventually(() => attempted.length > 2, 'results')
  plan('b')
  const [before, recordedBefore] = [asked.get('a') ?? 0, attempted.length]
  await eventually(() => attempted.length > recordedBefore + 20, 'further results')
  expect(new Set(attempted.slice(recordedBefore).map(({ peer }) => peer))).toEqual(new Set(['b']))
  // One that was on its way may still arrive.
  expect(asked.get('a')).toBeLessThanOrEqual(before + 1)
})

testWith()('attempts a peer whose port has changed at its new port only', async () => {
  const asked = [0, 0]
  const ports = await Promise.all(
    asked.map(async (_, index) => {
      const server = await listenUdp((bytes, { port, address }, socket) => {
        asked[index] = (asked[index] ?? 0) + 1
        socket.send(stampAnswerTo(bytes), port, address)
      })
      return server.address().port
    }),
  )
  let now = 0
  const { plan, attempted } = setUp({ portOf: () => ports[now] ?? 0 })
  plan('a')
  await eventually(() => attempted.length > 2, 'results')
  now = 1
  plan('a')
  const before = asked[0] ?? 0
  await eventually(() => (asked[1] ?? 0) > 20, 'attempts at the new port')
  // One that was on its way may still arrive.
  expect(asked[0]).toBeLessThanOrEqual(before + 1)
})

testWith()('counts results that ended just before their task was removed', async () => {
  let answered = 0
  const server = await listenUdp((bytes, { port, address }, socket) => {
    answered++
    socket.send(stampAnswerTo(bytes), port, address)
  })
  const { plan, attempted, prober } = setUp({ portOf: () => server.address().port })
  plan('a')
  // Further successes are delivered within a second: these wait for that.
  await eventually(() => answered > attempted.length + 3, 'results that are not delivered yet')
  plan()
  await eventually(() => prober.schedule().dropped >= 3, 'the results')
  // Those on their way were cancelled.
  expect(attempted.length + prober.schedule().dropped).toBeLessThanOrEqual(answered)
})

testWith()('reports tasks that a vantage rejects as a defect, but not that it has ended', async () => {
  const rejected = setUp({ portOf: () => 9, setTasks: () => Promise.reject(new Error('a defect')) })
  rejected.plan('a')
  await eventually(() => rejected.defects.length > 0, 'the defect')
  expect(rejected.defects).toEqual([new Error('a defect')])

  const ended = setUp({ portOf: () => 9 })
  ended.prober.close()
  ended.plan('a')
  await new Promise(setImmediate)
  expect(ended.defects).toEqual([])
})

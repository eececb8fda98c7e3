import { createProber, makeCheck, type Prober } from '@scout/core'
import { expect, onTestFinished } from 'vitest'
import { echoReplyTo } from '../../../test/support/echo.ts'
import { nativePart, testWith } from '../../../test/support/requirements.ts'
import { listenUdp } from '../../../test/support/servers.ts'
import { createAttempts } from '../src/attempts.ts'
import { createMemory } from '../src/memory/memory.ts'
import { planTasks } from '../src/plan/plan.ts'

const check = makeCheck({ name: 'udp', protocol: 'udp' }, { intervalMs: 10_000 })

/** Attempts by a real prober, with its sessions recorded. */
function setUp(portOf: (name: string) => number) {
  const real = createProber()
  const open = new Set<object>()
  const prober: Prober = {
    ...real,
    openSession() {
      const session = real.openSession()
      open.add(session)
      return session
    },
  }
  const attempts = createAttempts({
    vantages: {
      open: async () => expect.fail('it is open'),
      get: () => ({
        prober,
        port: 0,
        counters: () => ({}),
        silentMs: () => 0,
        failed: new Promise(() => {}),
        close: async () => {},
      }),
      reports: () => [],
      silentMs: () => 0,
      close: async () => {},
    },
    memory: createMemory(),
    settleMs: 0,
    peerOf: (name) => peerCalled(name),
    onAttempted() {},
  })
  const peerCalled = (name: string) => ({
    id: name,
    name,
    node: name,
    addresses: ['127.0.0.1'],
    port: portOf(name),
    state: 'ready' as const,
    stateSinceMs: 0,
  })
  onTestFinished(() => {
    attempts.stop()
    real.close()
  })
  return {
    open,
    plan: (...names: readonly string[]) =>
      attempts.setTasks(
        planTasks({ checks: [check], peers: names.map(peerCalled), families: new Set(['ipv4']), from: 'here' }),
      ),
  }
}

testWith(nativePart)('each link uses all source ports in turn, with any number of links', async () => {
  const sources = new Map<string, Set<number>>()
  const ports = new Map<string, number>()
  const names = Array.from({ length: 16 }, (_, index) => `peer-${index}`)
  for (const name of names) {
    const seen = new Set<number>()
    sources.set(name, seen)
    const server = await listenUdp((bytes, { port, address }, socket) => {
      seen.add(port)
      socket.send(echoReplyTo(bytes), port, address)
    })
    ports.set(name, server.address().port)
  }
  const { plan } = setUp((name) => ports.get(name) ?? 0)
  const tasks = plan(...names)
  // As many links as ports: with one rotation for all links, each would always get the same port.
  for (let round = 0; round < 16; round++) for (const { run } of tasks) await run()
  expect([...sources.values()].map(({ size }) => size)).toEqual(names.map(() => 16))
})

testWith()('keeps the session of a link between attempts, and closes it with the link', async () => {
  const server = await listenUdp((bytes, { port, address }, socket) => socket.send(echoReplyTo(bytes), port, address))
  const { open, plan } = setUp(() => server.address().port)
  const run = async (tasks: ReturnType<typeof plan>) => {
    for (const task of tasks) await task.run()
  }
  await run(plan('a', 'b'))
  expect(open.size).toBe(2)
  await run(plan('a', 'b'))
  expect(open.size).toBe(2)
  // Its earlier session was closed, so it gets a new one.
  plan('b')
  await run(plan('a', 'b'))
  expect(open.size).toBe(3)
})

import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { runAlone } from '../../../../test/support/alone.ts'
import { type Child, namespaces, silentAddress, startInNamespace } from '../../../../test/support/child.ts'
import { eventually } from '../../../../test/support/eventually.ts'
import { watchHandles } from '../../../../test/support/handles.ts'
import { describeWith, nativePart, testWith } from '../../../../test/support/requirements.ts'
import { desertedTcpPort, listenTcp } from '../../../../test/support/servers.ts'
import { createProber, probe } from '../../src/attempt/prober.ts'
import type { TaskResult } from '../../src/attempt/task.ts'

test.for([
  ['127.0.0.1', '127.0.0.1'],
  ['::1', '[::1]'],
] as const)(
  'opens as many connections at once as it is told, each from another port, to %s',
  async ([host, written]) => {
    const ports: (number | undefined)[] = []
    let openCount = 0
    const port = await listenTcp((socket) => {
      ports.push(socket.remotePort)
      openCount++
      socket.resume().on('close', () => openCount--)
    }, host)
    const result = await probe('tcp', `${written}:${port}`, { flows: 16 })
    expect(result).toMatchObject({ ok: true, detail: { isResetAtOnce: false, sourcePort: expect.any(Number) } })
    const flows = result.ok ? (result.detail.flows ?? []) : []
    await eventually(() => ports.length === 16, 'all connections')
    expect(new Set(flows.map(({ sourcePort }) => sourcePort))).toEqual(new Set(ports))
    for (const { rttNs } of flows) expect(rttNs).toBeGreaterThan(0)
    await eventually(() => openCount === 0, 'all connections are closed')
  },
)

testWith(nativePart)('has the time of the median connection, by the clock of the kernel', async () => {
  const port = await listenTcp(() => {})
  const result = await probe('tcp', `127.0.0.1:${port}`, { flows: 15 })
  expect(result).toMatchObject({ ok: true, clock: { tx: 'tcp-info', rx: 'tcp-info' } })
  const times = (result.ok ? (result.detail.flows ?? []) : []).map(({ rttNs = Number.NaN }) => rttNs)
  expect(times).toHaveLength(15)
  expect(result.totalNs).toBe(times.toSorted((a, b) => a - b)[7])
})

test('one connection has no flows, and neither has an exchange', async () => {
  const port = await listenTcp((socket) => socket.on('data', (bytes) => socket.write(bytes)))
  for (const options of [{}, { flows: 1 }, { flows: 4, send: 'x' }]) {
    const result = await probe('tcp', `127.0.0.1:${port}`, options)
    expect(result).toMatchObject({ ok: true })
    expect(result.detail).not.toHaveProperty('flows')
  }
})

test('a target that accepts and resets at once is up', async () => {
  const port = await listenTcp((socket) => socket.resetAndDestroy())
  for (let i = 0; i < 5; i++)
    expect(await probe('tcp', `127.0.0.1:${port}`, { flows: 16 })).toMatchObject({
      ok: true,
      detail: { flows: Array.from({ length: 16 }, () => ({ rttNs: expect.any(Number) })) },
    })
})

test('a task opens them in every attempt', async () => {
  const port = await listenTcp((socket) => socket.resume())
  const results: TaskResult[] = []
  const prober = createProber({ onResults: (batch) => results.push(...batch) })
  onTestFinished(() => prober.close())
  const target = `127.0.0.1:${port}`
  await prober.setTasks([{ id: 'a', protocol: 'tcp', target, intervalMs: 20, options: { flows: 4 } }])
  await eventually(() => results.length > 2, 'results')
  for (const { result } of results)
    expect(result).toMatchObject({
      ok: true,
      detail: { flows: Array.from({ length: 4 }, () => ({ rttNs: expect.any(Number) })) },
    })
})

test('fails as refused if nothing is listening, for all of them', async () => {
  const port = await desertedTcpPort()
  const result = await probe('tcp', `127.0.0.1:${port}`, { flows: 16 })
  expect(result).toMatchObject({ ok: false, failure: { reason: 'refused', phase: 'connect', code: 'ECONNREFUSED' } })
  expect(result.detail?.flows).toHaveLength(16)
  expect(result.ok ? '' : result.failure.message.replace(`${port}`, 'PORT')).toMatchInlineSnapshot(
    `"16 of 16 flows fail (all): connecting to 127.0.0.1:PORT: ECONNREFUSED (nothing is listening there, or a firewall rejects the port)"`,
  )
})

test('leaves nothing open, with any result', async () => {
  const [open, deserted] = [await listenTcp((socket) => socket.end()), await desertedTcpPort()]
  const prober = createProber()
  onTestFinished(() => prober.close())
  const allClosed = await watchHandles()
  await Promise.all([open, deserted].map((port) => prober.probe('tcp', `127.0.0.1:${port}`, { flows: 16 })))
  await allClosed()
})

testWith(
  nativePart,
  'ip',
  'nft',
  namespaces,
)('where a way loses some of them, the attempt fails and names their ports', () => {
  expect(runAlone(lossy('0-2 : drop'))).toEqual([
    {
      reason: 'timeout',
      message: '3 of 16 flows fail (source ports PORTS): no answer within 300 ms',
      named: 'those without a time, which the server has not seen',
    },
  ])
})

testWith(
  nativePart,
  'ip',
  'nft',
  namespaces,
)('where they fail in several ways, it says how many fail in which, and fails with the most frequent', () => {
  expect(runAlone(lossy('0-1 : drop, 2-6 : goto refuse'))).toEqual([
    {
      reason: 'refused',
      message: expect.stringMatching(
        /^7 of 16 flows fail \(source ports PORTS; 5 refused, 2 timeout\): connecting to 127\.0\.0\.1:8079: ECONNREFUSED /,
      ),
      named: 'those without a time, which the server has not seen',
    },
  ])
})

testWith(
  nativePart,
  'ip',
  namespaces,
)('where this host has too few ports, it names no port of those that got none', () => {
  const [message] = runAlone(cramped)
  expect(message).toMatch(
    /^\d+ of 16 flows fail \(before they had a source port\): connecting to 127\.0\.0\.1:8079: EADDRNOTAVAIL /,
  )
})

/** A host with six source ports. */
const cramped = `
  import { writeFileSync } from 'node:fs'
  import { createServer } from 'node:net'
  const { createProber } = await import(process.env.CORE)
  writeFileSync('/proc/sys/net/ipv4/ip_local_port_range', '40000 40005')
  const server = createServer((socket) => socket.on('error', () => {}).resume())
  await new Promise((resolve) => server.listen(8079, '127.0.0.1', resolve))
  const prober = createProber()
  const { failure } = await prober.probe('tcp', '127.0.0.1:8079', { flows: 16 })
  console.log(JSON.stringify(failure.message))
  prober.close()
  server.close()
  process.exit()
`

/** Of sixteen SYNs, those with these numbers get no further. */
const lossy = (verdicts: string) => `
  import { execFileSync } from 'node:child_process'
  import { createServer } from 'node:net'
  const { createProber } = await import(process.env.CORE)
  const nft = (text) => execFileSync('nft', [text], { encoding: 'utf8' })
  nft('add table inet scout')
  nft('add chain inet scout in { type filter hook input priority -150; }')
  nft('add chain inet scout refuse')
  nft('add rule inet scout refuse reject with tcp reset')
  nft('add rule inet scout in tcp dport 8079 tcp flags & (syn | ack) == syn numgen inc mod 16 vmap { ${verdicts} }')
  const seen = new Set()
  const server = createServer((socket) => { seen.add(socket.remotePort); socket.on('error', () => {}).resume() })
  await new Promise((resolve) => server.listen(8079, '127.0.0.1', resolve))
  const prober = createProber()
  const { failure, detail } = await prober.probe('tcp', '127.0.0.1:8079', { flows: 16, timeoutMs: 300 })
  const ports = detail.flows.flatMap(({ sourcePort, rttNs }) => (rttNs === undefined ? [sourcePort] : []))
  const message = failure.message.replace(ports.join(', '), 'PORTS')
  const areUnseen = ports.every((port) => port > 0 && !seen.has(port))
  const named = areUnseen ? 'those without a time, which the server has not seen' : JSON.stringify({ ports, seen: [...seen] })
  console.log(JSON.stringify({ reason: failure.reason, message, named }))
  prober.close()
  server.close()
  process.exit()
`

describeWith('ip', namespaces)('in a separate network', () => {
  let child: Child
  beforeAll(async () => {
    child = await startInNamespace()
    return () => child.close()
  })

  testWith(nativePart)('a timeout names its ports, and counts the SYNs that were sent again', async () => {
    const result = await child.probe('tcp', `${silentAddress}:80`, { flows: 4, timeoutMs: 1_500 })
    expect(result).toMatchObject({
      ok: false,
      failure: { reason: 'timeout', phase: 'connect', message: '4 of 4 flows fail (all): no answer within 1500 ms' },
      detail: { synRetransmits: 4, flows: Array.from({ length: 4 }, () => ({ sourcePort: expect.any(Number) })) },
    })
    const ports = result.detail?.flows?.map(({ sourcePort }) => sourcePort)
    expect(new Set(ports).size).toBe(4)
  })
})

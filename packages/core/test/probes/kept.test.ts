import type { Socket } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { runAlone } from '../../../../test/support/alone.ts'
import { namespaces } from '../../../../test/support/child.ts'
import { eventually } from '../../../../test/support/eventually.ts'
import { nativePart, testWith } from '../../../../test/support/requirements.ts'
import { listenTcp, listenUdp } from '../../../../test/support/servers.ts'
import { createProber } from '../../src/attempt/prober.ts'
import type { OptionsOf, Protocol, ResultOf } from '../../src/probes/index.ts'
import { startDnsResponder } from '../../src/responders/dns.ts'
import { startUdpResponder } from '../../src/responders/udp.ts'

const ages = { ageNs: expect.any(Number), idleNs: expect.any(Number) }

/** Long enough for a slow machine to answer within a third of it. */
const timeoutMs = 3_000

describe('a TCP connection that is kept', () => {
  const options = { keep: true, send: 'PING', expect: 'PONG' }

  /** Starts a server whose connections answer what `answer` returns to each message. */
  async function serve(answer: (socket: Socket, message: number) => string | undefined) {
    const connections: Socket[] = []
    const port = await listenTcp((socket) => {
      connections.push(socket)
      let messages = 0
      socket.on('data', () => {
        const text = answer(socket, ++messages)
        if (text !== undefined) socket.write(text)
      })
    })
    return { connections, attempt: seriesOf('tcp', `127.0.0.1:${port}`, options) }
  }

  test('is used by all attempts of a series, and its age and idle time are reported', async () => {
    const { connections, attempt } = await serve(() => 'PONG')
    const [first, second, third] = [await attempt(), await attempt(), await attempt()]
    expect(first).toMatchObject({ ok: true, phasesNs: { connect: expect.any(Number), answer: expect.any(Number) } })
    expect(first.detail).not.toHaveProperty('ageNs')
    expect([second, third]).toMatchObject([
      { ok: true, detail: ages },
      { ok: true, detail: ages },
    ])
    expect(Object.keys(third.phasesNs)).toEqual(['answer'])
    expect(third.totalNs).toBe(third.phasesNs.answer)
    expect(connections).toHaveLength(1)
  })

  test('is closed with its series', async () => {
    let isEnded = false
    const { connections, attempt } = await serve(() => 'PONG')
    await attempt()
    connections[0]?.on('end', () => {
      isEnded = true
    })
    attempt.end()
    await eventually(() => isEnded, 'the server sees the end')
  })

  test.for<[how: string, end: (socket: Socket) => void]>([
    ['closed', (socket) => void socket.end()],
    ['reset', (socket) => void socket.resetAndDestroy()],
  ])('is replaced without a failure if the server has %s it while it was idle', async ([, end]) => {
    const { connections, attempt } = await serve(() => 'PONG')
    await attempt()
    const [server] = connections
    if (server === undefined) throw new Error('the attempt has connected')
    end(server)
    await eventually(() => server.closed, 'the connection is closed')
    expect(await attempt()).toMatchObject({ ok: true, phasesNs: { connect: expect.any(Number) } })
    expect(connections).toHaveLength(2)
  })

  test('is replaced without a failure if the server closes it instead of an answer', async () => {
    const { connections, attempt } = await serve((socket, message) => {
      if (message === 1) return 'PONG'
      socket.end()
      return undefined
    })
    await attempt()
    expect(await attempt()).toMatchObject({ ok: true })
    expect(connections).toHaveLength(2)
  })

  test('that is reset when it is used again, while a new one works, was dropped', async () => {
    const { connections, attempt } = await serve((socket, message) => {
      if (message === 1) return 'PONG'
      socket.resetAndDestroy()
      return undefined
    })
    await attempt()
    const result = await attempt()
    expect(result).toMatchObject({
      ok: false,
      failure: { reason: 'flow-dropped', code: 'ECONNRESET' },
      detail: ages,
    })
    expect(result.ok ? '' : result.failure.message.replaceAll(/\d+(\.\d+)?m?s|127[\d.:]+/g, '…')).toBe(
      'the connection to …, open for … and idle for …, was reset when it was used again, while a new one works: a device or a node on the path has forgotten it (a firewall, NAT, a load balancer, connection tracking)',
    )
    // The new one is the next to age.
    expect(connections).toHaveLength(2)
  })

  test('is not to blame for a service that accepts a request and does not answer it', async () => {
    const { attempt } = await serve((_, message) => (message === 1 ? 'PONG' : undefined))
    await attempt()
    expect(await attempt({ timeoutMs: 1_500 })).toMatchObject({ ok: false, failure: { reason: 'timeout' } })
    expect(await attempt()).toMatchObject({ ok: true, phasesNs: { connect: expect.any(Number) } })
  })

  testWith(
    nativePart,
    'ip',
    'nft',
    namespaces,
  )('was dropped if its packets vanish while those of a new one pass', () => {
    expect(runAlone(filtering)).toMatchObject([
      { ok: true },
      { ok: false, failure: { reason: 'flow-dropped', phase: 'answer' }, detail: ages },
      // The new one is the next to age.
      { ok: true, detail: ages },
      { ok: false, failure: { reason: 'timeout' } },
      // Not over the one whose packets are yet to be sent again, which may take long.
      { ok: true, phasesNs: { connect: expect.any(Number) } },
      { ok: true, detail: ages },
    ])
  })

  test('takes one question at a time, also from attempts that overlap', async () => {
    const { connections, attempt } = await serve(() => 'PONG')
    const results = await Promise.all([attempt(), attempt(), attempt()])
    expect(results).toMatchObject([{ ok: true }, { ok: true }, { ok: true }])
    expect(connections).toHaveLength(1)
  })
})

describe.each(['dns', 'udp'] as const)('a %s socket that is kept', (protocol) => {
  /**
   * Starts a relay of datagrams that drops those it is told to, as a node drops those of a flow that it still translates to an endpoint
   * that is gone.
   */
  async function relay() {
    const ports = new Set<number>()
    const fault: { drops: (port: number) => boolean } = { drops: () => false }
    const responder =
      protocol === 'dns'
        ? await startDnsResponder({ host: '127.0.0.1', port: 0, addressesOf: () => ['10.0.0.1'] })
        : await startUdpResponder({ host: '127.0.0.1', port: 0 })
    onTestFinished(() => responder.close())
    const front = await listenUdp((bytes, { port }) => {
      ports.add(port)
      if (fault.drops(port)) return
      void listenUdp((answer, _, back) => {
        front.send(answer, port)
        back.removeAllListeners('message')
      }).then((back) => back.send(bytes, responder.port, '127.0.0.1'))
    })
    const at = `127.0.0.1:${front.address().port}`
    const target = protocol === 'dns' ? `scout.example@${at}` : at
    return { ports, fault, attempt: seriesOf(protocol, target, { keep: true }) }
  }

  test('is used by all attempts of a series', async () => {
    const { ports, attempt } = await relay()
    const [first, second] = [await attempt(), await attempt()]
    expect(first.ok && second.ok).toBe(true)
    expect(first.detail).not.toHaveProperty('ageNs')
    expect(second.detail).toMatchObject(ages)
    expect([...ports]).toHaveLength(1)
  })

  test('fails as dropped as long as it gets no answer while new ones do', async () => {
    const { ports, fault, attempt } = await relay()
    await attempt()
    const [kept] = ports
    fault.drops = (port) => port === kept
    const dropped = { ok: false, failure: { reason: 'flow-dropped' }, detail: ages, packets: { sent: 3, returned: 1 } }
    expect(await attempt()).toMatchObject(dropped)
    expect(await attempt()).toMatchObject(dropped)
    fault.drops = () => false
    expect(await attempt()).toMatchObject({ ok: true, detail: ages })
  })

  test('passes after the loss of a packet', async () => {
    const { fault, attempt } = await relay()
    await attempt()
    let lost = 0
    fault.drops = () => ++lost === 1
    expect(await attempt()).toMatchObject({ ok: true, packets: { sent: 3, returned: 2 } })
  })

  test('is silent like any other if new ones are, too', async () => {
    const { fault, attempt } = await relay()
    await attempt()
    fault.drops = () => true
    expect(await attempt({ timeoutMs: 600 })).toMatchObject({ ok: false, failure: { reason: 'timeout' } })
  })
})

/** Makes attempts over one connection, whose packets are dropped before the second, and all packets before the fourth. */
const filtering = String.raw`
  import { execFileSync } from 'node:child_process'
  const { createProber, startHttpResponder } = await import(process.env.CORE)
  const { port, close } = await startHttpResponder({ host: '127.0.0.1', port: 0, document: () => ({}) })
  const prober = createProber()
  const session = prober.openSession()
  const options = { session, keep: true, send: 'HEAD / HTTP/1.1\r\nhost: x\r\n\r\n', expect: ' 200 ' }
  // The kernel sends again after 3 and 6.2 s: on a slow machine, too, a new connection works before one of them.
  const attempt = async (timeoutMs = 6500) => {
    const result = await prober.probe('tcp', '127.0.0.1:' + port, { ...options, timeoutMs })
    console.log(JSON.stringify(result))
    return result
  }
  const drop = (what) => execFileSync('nft', ['table inet lost { chain in { type filter hook input priority 0; ' + what + ' drop; }; }'])
  const pass = () => execFileSync('nft', ['flush', 'ruleset'])
  const { detail } = await attempt()
  drop('tcp sport ' + detail.sourcePort)
  await attempt()
  await attempt()
  drop('tcp dport ' + port)
  await attempt(1000)
  pass()
  await attempt()
  await attempt()
  session.close()
  await prober.close()
  await close()
`

/** Returns a function that makes attempts of one series. */
function seriesOf<Name extends Protocol>(protocol: Name, target: string, options: OptionsOf<Name>) {
  const prober = createProber()
  const session = prober.openSession()
  onTestFinished(() => prober.close())
  const attempt = (more: { readonly timeoutMs?: number } = {}): Promise<ResultOf<Name>> =>
    prober.probe(protocol, target, Object.assign({ timeoutMs, session }, options, more))
  return Object.assign(attempt, { end: () => session.close() })
}

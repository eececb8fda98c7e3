import { expect, onTestFinished, test } from 'vitest'
import { runAlone } from '../../../../../test/support/alone.ts'
import { namespaces } from '../../../../../test/support/child.ts'
import { eventually } from '../../../../../test/support/eventually.ts'
import { describeWith, nativePart, testWith } from '../../../../../test/support/requirements.ts'
import { listenUdp } from '../../../../../test/support/servers.ts'
import { stampAnswerTo } from '../../../../../test/support/stamp.ts'
import { createProber } from '../../../src/attempt/prober.ts'
import type { TaskResult } from '../../../src/attempt/task.ts'
import { openExchange, type Stray } from '../../../src/net/packets/exchange.ts'
import { answerOf } from '../../../src/net/packets/fate.ts'
import { nativeSockets } from '../../../src/net/packets/native-packet-socket.ts'
import { startUdpResponder } from '../../../src/responders/udp.ts'
import { unixNowNs } from '../../../src/time/clock.ts'
import { createDeadlines } from '../../../src/time/deadline.ts'
import { encodeStampRequest } from '../../../src/wire/stamp.ts'
import { encodeNumber, numberOfAnswer } from '../../../src/wire/stamp-question.ts'
import { timestampOf } from '../../../src/wire/stamp-time.ts'
import { block, record } from '../native/timed-sockets.ts'

testWith(nativePart)(
  'a peer that answers for a dead one, by the numbers in its own probes, has no success',
  async () => {
    const strays: Stray[] = []
    const results: TaskResult[] = []
    const prober = createProber({
      onStray: (_, stray) => strays.push(stray),
      onResults: (batch) => results.push(...batch),
    })
    onTestFinished(() => prober.close())
    // The dead one never answers by itself. A process that forges its packets sends from this socket.
    const dead = await listenUdp(() => {}, '127.0.0.3')
    const peer = await listenUdp((request, from, socket) => {
      socket.send(replyTo(request, 0), from.port, from.address)
      // Over all numbers that may be next, to the port that the round leaves from.
      for (let step = -64; step <= 64; step++) dead.send(replyTo(request, step), from.port, from.address)
    }, '127.0.0.2')
    const target = (host: string, { port }: { port: number }) => `${host}:${port}`
    const common = { protocol: 'udp', intervalMs: 50, options: { timeoutMs: 200 } }
    await prober.setTasks([
      { ...common, id: 'peer', target: target('127.0.0.2', peer.address()) },
      { ...common, id: 'dead', target: target('127.0.0.3', dead.address()) },
    ])
    const of = (id: string) => results.filter((one) => one.id === id)
    await eventually(() => of('dead').length >= 12 && of('peer').length >= 12, 'results')
    expect(of('dead').filter(({ result }) => result.ok)).toEqual([])
    expect(of('peer').filter(({ result }) => !result.ok)).toEqual([])
    expect(
      strays.filter(({ kind, from }) => kind === 'foreign' && from.address === '127.0.0.3').length,
    ).toBeGreaterThan(64)
  },
)

/** Returns the answer to the question whose number and timestamp are `step` after those of this one. */
function replyTo(request: Buffer, step: number): Buffer {
  const reply = Buffer.from(stampAnswerTo(request))
  for (const offset of [28, 48])
    reply.writeBigUInt64BE(BigInt.asUintN(64, reply.readBigUInt64BE(offset) + BigInt(step)), offset)
  return reply
}

function requestOf(number: bigint, payloadBytes: number): Uint8Array {
  const estimate = { format: 'ntp', isSynchronized: false, errorNs: 1e9 } as const
  const sent = timestampOf(unixNowNs(), 'ntp')
  return encodeStampRequest({ sequence: 1, sent, estimate, ssid: 1 }, encodeNumber(number, payloadBytes, ''), '')
}

describeWith(nativePart)('packets that this host', () => {
  test('has received but not read while the event loop was blocked are no timeouts, however many', async () => {
    const { ask } = await exchangeOfTest()
    const fates = await ask({ count: 2_400, payloadBytes: 64, timeoutMs: 500, blockMs: 700 })
    expect(fates.filter(({ kind }) => kind !== 'answered')).toEqual([])
  })

  test('dropped make a timeout a local-error that says so, and do not affect later questions', async () => {
    const { ask, to } = await exchangeOfTest()
    const fates = await ask({ count: 400, payloadBytes: 60_000, timeoutMs: 500, blockMs: 700 })
    const silent = fates.find(({ kind }) => kind === 'silent')
    expect(silent).toMatchObject({ mayBeOurs: true })
    expect(() => answerOf(silent, to, createDeadlines().start(0))).toThrow(
      'this host dropped packets because the receive buffer was full',
    )
    const later = await ask({ count: 10, payloadBytes: 64, timeoutMs: 5_000, blockMs: 0 })
    expect(later.map(({ kind }) => kind)).toEqual(Array.from({ length: 10 }, () => 'answered'))
  })

  test('dropped while the packet engine slept make its timeout a local-error, and the next round succeeds', async () => {
    let requests = 0
    const results: TaskResult[] = []
    const server = await listenUdp((request, from, socket) => {
      if (++requests > 1) return socket.send(replyTo(request, 0), from.port, from.address)
      const flood = record({ kind: 'udp4', address: '127.0.0.1' })
      const bytes = Array.from({ length: 400 }, () => new Uint8Array(60_000))
      flood.socket.sendMany(
        bytes,
        bytes.map(() => from.address),
        bytes.map(() => from.port),
      )
    })
    const prober = createProber({ onResults: (batch) => results.push(...batch) })
    onTestFinished(() => prober.close())
    const target = `127.0.0.1:${server.address().port}`
    await prober.setTasks([{ id: 'a', protocol: 'udp', target, intervalMs: 1_000, options: { timeoutMs: 900 } }])
    await eventually(() => results.length >= 2, 'two results')
    expect(results.slice(0, 2)).toMatchObject([
      { result: { failure: { reason: 'local-error', code: 'ENOBUFS' } } },
      { result: { ok: true } },
    ])
  })

  test('dropped before a responder read them are counted by it', async () => {
    const responder = await startUdpResponder({ host: '127.0.0.1', port: 0 })
    onTestFinished(() => responder.close())
    const { socket } = record({ kind: 'udp4' })
    const request = requestOf(1n, 56)
    const requests = Array.from({ length: 1_024 }, () => request)
    const [addresses, ports] = [requests.map(() => '127.0.0.1'), requests.map(() => responder.port)]
    let sent = 0
    const untilMs = performance.now() + 15_000
    while ((responder.counters.dropped ?? 0) === 0 && performance.now() < untilMs)
      sent += socket.sendMany(requests, addresses, ports).filter((outcome) => typeof outcome === 'number').length
    expect(responder.counters.dropped).toBeGreaterThan(0)
    const counted = () => {
      const { answered, rejected, unsent, dropped = 0 } = responder.counters
      return answered + rejected + unsent + dropped
    }
    // What is left in the buffer is read; of what was dropped while it was emptied, some may be told late.
    await eventually(() => counted() > sent * 0.9, 'nearly all are counted')
    expect(counted()).toBeLessThanOrEqual(sent)
  })
})

testWith(
  'ip',
  namespaces,
  nativePart,
)('an ICMP error that quotes no more than the ports ends no question, and is reported where no answer comes', () => {
  expect(runAlone(vaguelyRefusing)).toEqual([
    { manner: 'error, then answer', isEarly: true },
    { manner: 'error alone', reason: 'refused', icmp: { type: 3, code: 3, from: '127.0.0.1' }, isEarly: false },
    { manner: 'error that quotes more', reason: 'refused', icmp: expect.anything(), isEarly: true },
    { manner: 'error about another', isEarly: true },
  ])
})

/** Answers UDP probes of 127.0.0.1, and sends ICMP errors about them. */
const vaguelyRefusing = `
  import { createSocket } from 'node:dgram'
  import { once } from 'node:events'
  const { openRaw, withChecksum } = await import(process.env.RAW)
  const { createProber } = await import(process.env.CORE)
  const raw = openRaw('ICMP')
  const server = createSocket('udp4').bind(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  // Port unreachable, about a datagram from that port (RFC 792).
  const refuse = (sourcePort, quoted) => {
    const ip = Buffer.from('450000300000400040110000' + '7f000001' + '7f000001', 'hex')
    const udp = Buffer.alloc(8)
    udp.writeUInt16BE(sourcePort, 0)
    udp.writeUInt16BE(port, 2)
    udp.writeUInt16BE(28, 4)
    raw.send(withChecksum(Buffer.concat([Buffer.of(3, 3, 0, 0, 0, 0, 0, 0), ip, udp, quoted])), '127.0.0.1')
  }
  const answer = (request, from) => {
    const reply = Buffer.alloc(request.length)
    // RFC 8762 §4.3.1: its own number and time, then those of the request; behind them the padding.
    for (const [from, to, end] of [[4, 4, 16], [4, 16, 12], [0, 24, 4], [4, 28, 14], [44, 44, request.length]])
      request.copy(reply, to, from, end)
    setTimeout(() => server.send(reply, from.port, from.address), 50)
  }
  const manners = {
    'error, then answer': (request, from) => (refuse(from.port, Buffer.alloc(0)), answer(request, from)),
    'error alone': (request, from) => refuse(from.port, Buffer.alloc(0)),
    'error that quotes more': (request, from) => refuse(from.port, request),
    'error about another': (request, from) => {
      const other = Buffer.from(request)
      other[55] ^= 1
      refuse(from.port, other)
      answer(request, from)
    },
  }
  const prober = createProber()
  for (const [manner, act] of Object.entries(manners)) {
    server.once('message', act)
    const timeoutMs = manner === 'error alone' ? 500 : 10000
    const { failure, totalNs } = await prober.probe('udp', '127.0.0.1:' + port, { timeoutMs })
    const { reason, icmp } = failure ?? {}
    console.log(JSON.stringify({ manner, reason, icmp, isEarly: totalNs < 450e6 }))
  }
  process.exit()
`

testWith('ip', namespaces)(
  'a shortage of descriptors is a failure of this host, with its remedy, until it is over',
  () => {
    const results = runAlone(exhausting) as readonly {
      protocol: string
      isShort: boolean
      reason: string
      message: string
    }[]
    expect(results.length).toBeGreaterThanOrEqual(8)
    for (const { protocol, isShort, reason, message } of results) {
      if (!isShort) expect([protocol, reason]).toEqual([protocol, 'ok'])
      else {
        expect([protocol, reason]).toEqual([protocol, 'local-error'])
        expect(message).toMatch(
          /EMFILE \(this process has reached its limit of open files \(ulimit -n\).*raise the limit/,
        )
      }
    }
  },
)

const exhausting = `
  import { closeSync, openSync } from 'node:fs'
  import { createServer } from 'node:net'
  const { createProber, describeProviders, startUdpResponder } = await import(process.env.CORE)
  const responder = await startUdpResponder({ host: '127.0.0.1', port: 0 })
  const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const targets = {
    udp: '127.0.0.1:' + responder.port,
    icmp: '127.0.0.1',
    ...(describeProviders().tcp.name === 'native' ? { syn: '127.0.0.1:' + server.address().port } : {}),
    tcp: '127.0.0.1:' + server.address().port,
  }
  const probeAll = async (isShort) => {
    for (const [protocol, target] of Object.entries(targets)) {
      const prober = createProber()
      const taken = []
      try {
        while (isShort) taken.push(openSync('/dev/null'))
      } catch {}
      const { ok, failure } = await prober.probe(protocol, target, { timeoutMs: 2000 })
      for (const fd of taken) closeSync(fd)
      console.log(JSON.stringify({ protocol, isShort, reason: ok ? 'ok' : failure.reason, message: failure?.message ?? '' }))
      prober.close()
    }
  }
  await probeAll(true)
  await probeAll(false)
  process.exit()
`

testWith(namespaces, nativePart)(
  'a shortage of descriptors at first keeps the native part away no longer than it lasts',
  () => {
    expect(runAlone(exhaustingAtFirst)).toEqual([
      {
        name: 'dgram',
        remark: expect.stringMatching(
          /^the native part cannot be loaded from .*: EMFILE \(this process has reached its limit of open files/,
        ),
      },
      { name: 'native' },
    ])
  },
)

const exhaustingAtFirst = `
  import { closeSync, openSync } from 'node:fs'
  const { describeProviders } = await import(process.env.CORE)
  const taken = []
  try {
    for (;;) taken.push(openSync('/dev/null'))
  } catch {}
  const short = describeProviders().udp
  for (const fd of taken) closeSync(fd)
  for (const providers of [short, describeProviders().udp]) console.log(JSON.stringify(providers))
`

/** Opens an exchange with one native socket, and a responder, which answers in a thread of its own. */
async function exchangeOfTest() {
  const responder = await startUdpResponder({ host: '127.0.0.1', port: 0 })
  onTestFinished(() => responder.close())
  const to = { host: '127.0.0.1', address: '127.0.0.1', family: 'ipv4', port: responder.port } as const
  const exchange = openExchange({
    open: nativeSockets('udp'),
    sourcePorts: 1,
    family: 'ipv4',
    isShared: false,
    keyOf: (bytes) => numberOfAnswer(bytes)?.toString(),
    onStray: () => {},
  })
  onTestFinished(() => exchange.close())
  const deadlines = createDeadlines()
  let number = 0n
  return {
    to,
    async ask({
      count,
      payloadBytes,
      timeoutMs,
      blockMs,
    }: Record<'count' | 'payloadBytes' | 'timeoutMs' | 'blockMs', number>) {
      const shots = Array.from({ length: count }, () => {
        number++
        return {
          key: number.toString(),
          to,
          bytes: requestOf(number, payloadBytes),
          read: (bytes: Uint8Array) => bytes.length,
        }
      })
      const volley = exchange.volley(shots, deadlines.start(timeoutMs))
      block(blockMs)
      return volley
    },
  }
}

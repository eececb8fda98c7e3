import { describe, expect, onTestFinished, test } from 'vitest'
import { collect } from '../../../../test/support/collect.ts'
import { eventually } from '../../../../test/support/eventually.ts'
import { watchHandles } from '../../../../test/support/handles.ts'
import { nativePart, testWith } from '../../../../test/support/requirements.ts'
import { listenUdp } from '../../../../test/support/servers.ts'
import { stampAnswerTo } from '../../../../test/support/stamp.ts'
import { createProber } from '../../src/attempt/prober.ts'
import { repeat } from '../../src/attempt/repeat.ts'
import { startUdpResponder } from '../../src/responders/udp.ts'
import { nowNs } from '../../src/time/clock.ts'

test('makes the requested number of attempts and ends', async () => {
  const { prober, target } = await setUp()
  const results = await collect(repeat(prober, { protocol: 'udp', target }, { count: 5, intervalMs: 2 }))
  expect(results.map(({ result }) => result.ok)).toEqual([true, true, true, true, true])
})

testWith(nativePart)('cycles through all source ports, like one session', async () => {
  const from: number[] = []
  const server = await listenUdp((bytes, { port, address }, socket) => {
    from.push(port)
    socket.send(stampAnswerTo(bytes), port, address)
  })
  const target = `127.0.0.1:${server.address().port}`
  await collect(repeat(proberOfTest(), { protocol: 'udp', target }, { count: 16, intervalMs: 2 }))
  expect(new Set(from).size).toBe(16)
})

test('makes no attempt for a count of 0', async () => {
  const { prober, target } = await setUp()
  expect(await collect(repeat(prober, { protocol: 'udp', target }, { count: 0, intervalMs: 1 }))).toEqual([])
})

test('attempts start one interval apart', async () => {
  const { prober, target, responder } = await setUp()
  const intervalMs = 40
  const startedNs: number[] = []
  for await (const _ of repeat(prober, { protocol: 'udp', target }, { count: 11, intervalMs })) startedNs.push(nowNs())
  const gapsMs = startedNs.slice(1).map((ns, index) => (ns - (startedNs[index] ?? ns)) / 1e6)
  const [, , , , , median = 0] = gapsMs.toSorted((a, b) => a - b)
  expect(median / intervalMs).toBeGreaterThan(0.9)
  expect(median / intervalMs).toBeLessThan(2)
  expect(responder.counters.answered).toBe(11)
})

test('attempts overlap if one takes longer than the interval; each is yielded with its number when it ends', async () => {
  const held: (() => void)[] = []
  // Answers the first request after the third, so that the third overtakes it.
  const server = await listenUdp((bytes, from, socket) => {
    const reply = stampAnswerTo(bytes)
    const answer = () => socket.send(reply, from.port, from.address)
    if (held.length === 0) return void held.push(answer)
    held.push(answer)
    answer()
    if (held.length === 3) held[0]?.()
  })
  const prober = proberOfTest()
  const target = `127.0.0.1:${server.address().port}`
  const sequences: number[] = []
  const numbers: number[] = []
  for await (const { number, result } of repeat(prober, { protocol: 'udp', target }, { count: 3, intervalMs: 10 })) {
    numbers.push(number)
    sequences.push(result.ok ? (result.detail.sequence ?? Number.NaN) : Number.NaN)
  }
  const first = Math.min(...sequences)
  expect(sequences.map((sequence) => sequence - first)).toEqual([1, 2, 0])
  expect(numbers).toEqual([2, 3, 1])
})

describe('an abort', () => {
  test('ends the repetition at once, and cancels attempts in progress without yielding them', async () => {
    let asked = 0
    const silent = await listenUdp(() => asked++)
    const allClosed = await watchHandles()
    const prober = createProber()
    const caller = new AbortController()
    const target = `127.0.0.1:${silent.address().port}`
    const results = collect(repeat(prober, { protocol: 'udp', target }, { intervalMs: 1, signal: caller.signal }))
    await eventually(() => asked >= 3, 'three attempts are under way')
    caller.abort()
    expect(await results).toEqual([])
    prober.close()
    await allClosed()
  })

  test('does not lose earlier results', async () => {
    const { prober, target, responder } = await setUp()
    const caller = new AbortController()
    const attempts = repeat(prober, { protocol: 'udp', target }, { intervalMs: 1, signal: caller.signal })
    const first = await attempts.next()
    expect(first.done).toBe(false)
    await eventually(() => responder.counters.answered >= 4, 'further attempts are answered')
    const answered = responder.counters.answered
    await eventually(() => responder.counters.answered > answered, 'and their answers have arrived')
    caller.abort()
    const rest = await collect(attempts)
    expect(rest.length).toBeGreaterThanOrEqual(answered - 2)
    expect(rest.every(({ result }) => result.ok)).toBe(true)
  })

  test('beforehand makes no attempt', async () => {
    const { prober, target, responder } = await setUp()
    const attempts = repeat(prober, { protocol: 'udp', target }, { intervalMs: 1, signal: AbortSignal.abort() })
    expect(await collect(attempts)).toEqual([])
    expect(responder.counters.answered).toBe(0)
  })
})

test('breaking out of the loop ends the repetition', async () => {
  const { prober, target } = await setUp()
  // The prober's socket stays open as long as the prober.
  await prober.probe('udp', target)
  const allClosed = await watchHandles()
  for await (const { result } of repeat(prober, { protocol: 'udp', target }, { intervalMs: 1 })) {
    expect(result.ok).toBe(true)
    break
  }
  await allClosed()
})

describe('misuse', () => {
  test('of the probe is thrown, and ends the repetition', async () => {
    const prober = proberOfTest()
    const allClosed = await watchHandles()
    const attempts = repeat(prober, { protocol: 'udp', target: 'nowhere' }, { intervalMs: 1 })
    await expect(attempts.next()).rejects.toThrow('the port is missing')
    await allClosed()
  })

  test('of the interval or the count is thrown before the first attempt', async () => {
    const prober = proberOfTest()
    const sentences = await Promise.all(
      [
        { intervalMs: -5 },
        { intervalMs: 0 },
        { intervalMs: Number.NaN },
        { intervalMs: 2 ** 31 },
        { intervalMs: 1, count: -1 },
        { intervalMs: 1, count: Number.NaN },
      ].map((options) =>
        repeat(prober, { protocol: 'udp', target: '127.0.0.1:7' }, options)
          .next()
          .then(
            () => 'nothing was thrown',
            (error: unknown) => String(error),
          ),
      ),
    )
    expect(`\n${sentences.join('\n')}\n`).toMatchInlineSnapshot(`
      "
      ScoutError: cannot repeat every -5 ms: choose an interval from 1 ms to 24 days
      ScoutError: cannot repeat every 0 ms: choose an interval from 1 ms to 24 days
      ScoutError: cannot repeat every NaN ms: choose an interval from 1 ms to 24 days
      ScoutError: cannot repeat every 2147483648 ms: choose an interval from 1 ms to 24 days
      ScoutError: cannot repeat -1 times: choose a count of 0 or more
      ScoutError: cannot repeat NaN times: choose a count of 0 or more
      "
    `)
  })
})

async function setUp() {
  const responder = await startUdpResponder({ host: '127.0.0.1', port: 0 })
  onTestFinished(() => responder.close())
  return { prober: proberOfTest(), responder, target: `127.0.0.1:${responder.port}` }
}

function proberOfTest() {
  const prober = createProber()
  onTestFinished(() => prober.close())
  return prober
}

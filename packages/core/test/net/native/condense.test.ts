import type { RemoteInfo, Socket } from 'node:dgram'
import { expect, onTestFinished, test } from 'vitest'
import { blockFor } from '../../../../../test/support/block.ts'
import { eventually } from '../../../../../test/support/eventually.ts'
import { describeWith } from '../../../../../test/support/requirements.ts'
import { listenUdp } from '../../../../../test/support/servers.ts'
import { createProber } from '../../../src/attempt/prober.ts'
import type { TaskResult } from '../../../src/attempt/task.ts'
import { addPackets, type PacketSum } from '../../../src/model/packets.ts'
import { engineCounts } from '../../../src/net/native/engine-thread.ts'
import { startUdpResponder } from '../../../src/responders/udp.ts'
import { nativePresent } from './timed-sockets.ts'

/** What becomes of a packet on one way: how many copies arrive. */
type Way = (sequence: number) => number

const spacingMs = 20
const perInterval = 20
/** A busy host relays late. */
const timeoutMs = 2_000

describeWith(nativePresent)('a stream', () => {
  test('has one result for many answers in a row, which counts all of them', async () => {
    const { results } = await stream()
    const condensed = () => results.filter(({ result }) => attemptsOf(result) === perInterval)
    await eventually(() => condensed().length > 1, 'results of as many answers as there may be')
    expect(attemptsOf(results[0]?.result)).toBe(1)
    expect(condensed()[0]?.result).toMatchObject({
      packets: { sent: perInterval, returned: perInterval, arrived: perInterval, lostForth: 0 },
      condensed: { spanMs: expect.toSatisfy((spanMs: number) => spanMs > spacingMs * (perInterval - 2)) },
    })
    const { sent, returned, arrived } = sumOf(results)
    expect([returned, arrived]).toEqual([sent, sent])
    expect(engineCounts().lost).toBe(0)
  })

  test('hardly seems to lose packets on its way when this process loses results', async () => {
    const responder = await startUdpResponder({ host: '127.0.0.1', port: 0 })
    onTestFinished(() => responder.close())
    const results: TaskResult[] = []
    const prober = createProber({ onResults: (batch) => results.push(...batch) })
    onTestFinished(() => prober.close())
    const task = { protocol: 'udp', target: `127.0.0.1:${responder.port}`, options: { timeoutMs } }
    await prober.setTasks(Array.from({ length: 32 }, (_, index) => ({ id: `${index}`, ...task, intervalMs: 2 })))
    await eventually(() => results.length > 32, 'results of all')
    const untilMs = performance.now() + 10_000
    while (engineCounts().lost === 0 && performance.now() < untilMs) blockFor(50)
    expect(engineCounts().lost).toBeGreaterThan(0)
    const before = results.length
    await eventually(() => results.length > before + 8_192, 'results from after that')
    const { returned, arrived = 0, lostForth } = sumOf(results)
    expect(lostForth).toBe(0)
    // Those that were written while others were read may be on the wrong side of what was lost.
    expect(arrived - returned).toBeLessThan(engineCounts().lost / 10)
  })

  test('counts exactly what was lost and doubled on which way', async () => {
    const { results } = await stream({
      forth: (sequence) => (sequence === 30 ? 0 : sequence === 50 ? 2 : 1),
      back: (sequence) => (sequence === 35 || sequence === 36 ? 0 : sequence === 60 ? 2 : 1),
    })
    const failures = () => results.filter(({ result }) => !result.ok).length
    await eventually(() => failures() === 3 && sumOf(results).returned > 80, 'all losses')
    const { returned, ...sum } = sumOf(results)
    expect(sum).toEqual({
      sent: returned + 3,
      // The first answer says nothing of those before it.
      arrived: returned + 2,
      lostForth: 1,
      duplicated: 2,
      duplicatedForth: 1,
      reordered: 0,
      late: 0,
    })
  })

  test('reports what was answered before a failure first, and the answer that follows it at once', async () => {
    let isSilent = false
    const { results } = await stream({ forth: () => (isSilent ? 0 : 1) })
    await eventually(() => results.length > 1, 'results')
    isSilent = true
    await eventually(() => results.at(-1)?.result.ok === false, 'a failure')
    isSilent = false
    const { length } = results
    await eventually(() => results.slice(length).some(({ result }) => result.ok), 'an answer')
    expect(attemptsOf(results.slice(length).find(({ result }) => result.ok)?.result)).toBe(1)
  })

  test('reports what was lost in a row before the answers after it, which were known earlier', async () => {
    const { results } = await stream({ forth: (sequence) => (sequence > 10 && sequence <= 40 ? 0 : 1) })
    const failures = () => results.filter(({ result }) => !result.ok).length
    await eventually(
      () => failures() === 30 && results.at(-1)?.result.ok === true,
      'all losses, and answers after them',
    )
    const starts = results.map(({ startedNs }) => startedNs)
    expect(starts).toEqual(starts.toSorted((a, b) => a - b))
    const outcomes = results.map(({ result }) => result.ok)
    expect(outcomes.lastIndexOf(false) - outcomes.indexOf(false)).toBe(29)
  })

  test('leaves from new ports again and again, so that it shows what becomes of new flows, and loses nothing by that', async () => {
    const { results, clients } = await stream()
    const usual = 16
    await eventually(() => clients.size > usual + 1, 'further ports')
    const { sent, returned, lostForth } = sumOf(results)
    expect([returned, lostForth]).toEqual([sent, 0])
  })

  test('counts no loss while its reflector begins again, and goes on from there', async () => {
    const { results, restart } = await stream()
    await eventually(() => results.length >= 2, 'results')
    await restart()
    const { length } = results
    const later = () => results.slice(length).filter(({ result }) => attemptsOf(result) === perInterval)
    await eventually(() => later().length > 1, 'later results')
    expect(later().at(-1)?.result.packets).toMatchObject({ lostForth: 0 })
    const { returned, arrived, lostForth } = sumOf(results)
    expect({ arrived, lostForth }).toEqual({ arrived: returned, lostForth: 0 })
  })

  test('that is stopped before its answers are many enough has no further result', async () => {
    const { results, prober } = await stream()
    await eventually(() => results.length >= 2, 'results')
    await prober.setTasks([])
    const { length } = results
    await prober.setTasks([{ id: 'other', protocol: 'udp', target: '127.0.0.1:9', intervalMs: 100 }])
    await eventually(() => results.length > length + 1, 'results of another task')
    expect(results.slice(length).map(({ id }) => id)).not.toContain('stream')
  })
})

/** Starts a stream to a reflector behind a path that loses and doubles packets, by their number in the session. */
async function stream({ forth = () => 1, back = () => 1 }: { readonly forth?: Way; readonly back?: Way } = {}) {
  let responder = await startUdpResponder({ host: '127.0.0.1', port: 0 })
  onTestFinished(() => responder.close())
  const clients = new Map<number, Socket>()
  const relay = await listenUdp((bytes, from, socket) => {
    void pass(bytes, from, socket)
  })
  const pass = async (bytes: Buffer, from: RemoteInfo, socket: Socket) => {
    const known = clients.get(from.port)
    const client =
      known ??
      (await listenUdp((answer) => {
        const copies = back(answer.readUInt32BE(24))
        for (let copy = 0; copy < copies; copy++) socket.send(answer, from.port, from.address)
      }))
    clients.set(from.port, client)
    const copies = forth(bytes.readUInt32BE())
    for (let copy = 0; copy < copies; copy++) client.send(bytes, responder.port, '127.0.0.1')
  }
  const results: TaskResult[] = []
  const prober = createProber({ onResults: (batch) => results.push(...batch) })
  onTestFinished(() => prober.close())
  const task = { protocol: 'udp', target: `127.0.0.1:${relay.address().port}`, options: { timeoutMs } }
  await prober.setTasks([{ id: 'stream', ...task, intervalMs: spacingMs * perInterval, perInterval }])
  return {
    results,
    prober,
    clients,
    async restart() {
      await responder.close()
      responder = await startUdpResponder({ host: '127.0.0.1', port: 0 })
    },
  }
}

/** Returns how many attempts a result stands for. */
function attemptsOf(result: TaskResult['result'] | undefined): number | undefined {
  return result?.ok === true ? (result.condensed?.attempts ?? 1) : undefined
}

function sumOf(results: readonly TaskResult[]): PacketSum {
  const sum: PacketSum = { sent: 0, returned: 0, duplicated: 0, reordered: 0, late: 0 }
  for (const { result } of results) if (result.packets !== undefined) addPackets(sum, result.packets)
  return sum
}

import { describe, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../../../test/support/eventually.ts'
import { listenUdp } from '../../../../test/support/servers.ts'
import { stampAnswerTo } from '../../../../test/support/stamp.ts'
import { createProber, probe } from '../../src/attempt/prober.ts'
import type { TaskResult } from '../../src/attempt/task.ts'
import { startUdpResponder } from '../../src/responders/udp.ts'

/** Starts a reflector that answers to the first so many packets, in this order, once it has them all. */
async function reflectorIn(order: readonly number[], { takesTurns = true, first = 0, step = 1 } = {}) {
  const waiting: { readonly bytes: Uint8Array; readonly answer: (number: number) => void }[] = []
  const server = await listenUdp((bytes, from, socket) => {
    const request = Uint8Array.from(bytes)
    const answer = (number: number) => socket.send(stampAnswerTo(request, '', number), from.port, from.address)
    waiting.push({ bytes: request, answer })
    if (waiting.length < order.length) return
    for (const [turn, index] of order.entries())
      waiting[index]?.answer((first + step * (takesTurns ? turn : index)) >>> 0)
    waiting.length = 0
  })
  return `127.0.0.1:${server.address().port}`
}

describe('packets that leave together', () => {
  test.for(['127.0.0.1', '::1'])('arrive at %s in order, and say so', async (host) => {
    const responder = await startUdpResponder({ host, port: 0, key: 'secret' })
    onTestFinished(() => responder.close())
    const target = host === '::1' ? `[::1]:${responder.port}` : `${host}:${responder.port}`
    for (const options of [{}, { payloadBytes: 1_400 }, { timeoutMs: 500 }]) {
      expect(await probe('udp', target, { volley: 5, key: 'secret', ...options })).toMatchObject({
        ok: true,
        detail: { overtakenForth: 0, overtakenBack: 0 },
        packets: { sent: 5, returned: 5, arrived: 5, reordered: 0, reorderedForth: 0, duplicated: 0 },
      })
    }
  })

  test.for([
    { what: 'requests', order: [0, 2, 1, 3, 4], takesTurns: true, forth: 1, back: 0 },
    { what: 'requests that are turned round', order: [4, 3, 2, 1, 0], takesTurns: true, forth: 4, back: 0 },
    { what: 'answers', order: [0, 1, 3, 4, 2], takesTurns: false, forth: 0, back: 1 },
  ])('are counted where later $what overtake them', async ({ order, takesTurns, forth, back }) => {
    const target = await reflectorIn(order, { takesTurns })
    expect(await probe('udp', target, { volley: 5 })).toMatchObject({
      ok: true,
      detail: { overtakenForth: forth, overtakenBack: back },
      packets: { reordered: forth + back, reorderedForth: forth },
    })
  })

  test('have a known order where the numbers of 32 bits begin again', async () => {
    const target = await reflectorIn([0, 2, 1, 3, 4], { first: 2 ** 32 - 2 })
    expect(await probe('udp', target, { volley: 5 })).toMatchObject({ packets: { reordered: 1, reorderedForth: 1 } })
  })

  test('have no known order where the reflector does not number them one after the other, but does other senders', async () => {
    for (const step of [4, 0x5555_5555]) {
      const result = await probe('udp', await reflectorIn([0, 2, 1, 3, 4], { step }), { volley: 5 })
      expect(result).toMatchObject({ ok: true, packets: { sent: 5, returned: 5 } })
      expect(result.packets).not.toHaveProperty('reorderedForth')
      expect(result.detail).not.toHaveProperty('overtakenForth')
    }
  })

  test('have no known order where the reflector copies their numbers, or where one arrives', async () => {
    // Ours begin with 1.
    const stateless = await reflectorIn([0, 2, 1, 3, 4], { takesTurns: false, first: 1 })
    const server = await listenUdp((bytes, from, socket) => {
      if (bytes.readUInt32BE(0) === 3) socket.send(stampAnswerTo(bytes), from.port, from.address)
    })
    for (const target of [stateless, `127.0.0.1:${server.address().port}`]) {
      const result = await probe('udp', target, { volley: 5, timeoutMs: 300 })
      expect(result.ok).toBe(true)
      expect(result.packets).not.toHaveProperty('reorderedForth')
      expect(result.packets).not.toHaveProperty('arrived')
      expect(result.detail).not.toHaveProperty('overtakenForth')
    }
  })

  test('fail if none is answered, and are a success if one is', async () => {
    const silent = await listenUdp(() => {})
    expect(await probe('udp', `127.0.0.1:${silent.address().port}`, { volley: 5, timeoutMs: 200 })).toMatchObject({
      ok: false,
      failure: { reason: 'timeout' },
      packets: { sent: 5, returned: 0 },
    })
    const lossy = await listenUdp((bytes, from, socket) => {
      const sequence = bytes.readUInt32BE(0)
      if (sequence % 2 === 1) socket.send(stampAnswerTo(bytes, '', sequence >>> 1), from.port, from.address)
    })
    expect(await probe('udp', `127.0.0.1:${lossy.address().port}`, { volley: 5, timeoutMs: 200 })).toMatchObject({
      ok: true,
      packets: { sent: 5, returned: 3, reordered: 0, reorderedForth: 0 },
    })
  })

  test('are repeated by a task, in one session', async () => {
    const sessions = new Set<number>()
    const server = await listenUdp((bytes, from, socket) => {
      sessions.add(bytes.readUInt16BE(14))
      socket.send(stampAnswerTo(bytes, '', bytes.readUInt32BE(0) - 1), from.port, from.address)
    })
    const results: TaskResult[] = []
    const prober = createProber({ onResults: (batch) => results.push(...batch) })
    onTestFinished(() => prober.close())
    const target = `127.0.0.1:${server.address().port}`
    await prober.setTasks([{ id: 'a', protocol: 'udp', target, intervalMs: 20, options: { volley: 3 } }])
    await eventually(() => results.length > 3, 'results')
    for (const { result } of results)
      expect(result).toMatchObject({ ok: true, packets: { sent: 3, returned: 3, reorderedForth: 0 } })
    expect(sessions.size).toBe(1)
  })
})

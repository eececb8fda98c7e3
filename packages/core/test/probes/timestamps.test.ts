import { describe, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../../../test/support/eventually.ts'
import { describeWith, nativePart } from '../../../../test/support/requirements.ts'
import { listenUdp } from '../../../../test/support/servers.ts'
import { createProber, probe } from '../../src/attempt/prober.ts'
import type { TaskResult } from '../../src/attempt/task.ts'
import { createReflector } from '../../src/responders/reflect.ts'
import { createStampSessions } from '../../src/responders/stamp-sessions.ts'
import { startUdpResponder } from '../../src/responders/udp.ts'
import { unixNowNs } from '../../src/time/clock.ts'
import { decodeStampRequest, stampBytes, turnIntoStampAnswer } from '../../src/wire/stamp.ts'
import { timestampOf } from '../../src/wire/stamp-time.ts'
import { readTlvs, reflectTlvs, tlvFlags } from '../../src/wire/stamp-tlv.ts'

const answers = ['arrivalStamp', 'arrivalClock', 'departureStamp', 'departureClock', 'stampsUnknown']

describeWith(nativePart)('a Scout responder that is asked for timestamps', () => {
  test.for([
    ['127.0.0.1', '127.0.0.1', ''],
    ['127.0.0.1', '127.0.0.1', 'secret'],
    ['::1', '[::1]', ''],
    ['::1', '[::1]', 'secret'],
  ] as const)(
    'at %s says that its kernel takes them, also of its previous answer: %s, key %j',
    async ([host, written, key]) => {
      const responder = await respond({ host, key })
      const { prober, session } = seriesOfTest()
      const target = `${written}:${responder.port}`
      for (const options of [{}, { payloadBytes: 1400 }, { dscp: 46 }]) {
        const first = await prober.probe('udp', target, { timestamps: true, key, ...options, session })
        expect(first).toMatchObject({
          ok: true,
          clock: { tx: 'kernel', rx: 'kernel' },
          detail: {
            arrivalStamp: 'software',
            arrivalClock: expect.stringMatching(/^(ntp|free-running)$/),
            departureStamp: 'control-plane',
            departureClock: expect.stringMatching(/^(ntp|free-running)$/),
          },
        })
        expect(first.detail).not.toHaveProperty('stampsUnknown')
        const next = await prober.probe('udp', target, { timestamps: true, key, ...options, session })
        expect(next).toMatchObject({ detail: { previousDepartureStamp: 'software' } })
        const held = next.ok ? (next.detail.previousResidenceNs ?? 0) : 0
        expect(held).toBeGreaterThan(0)
        expect(held).toBeLessThan(first.totalNs + (first.ok ? (first.detail.residenceNs ?? 0) : 0))
      }
    },
  )

  test('by a task says it in every result, and losses by direction are counted as ever', async () => {
    const results: TaskResult[] = []
    const prober = createProber({ onResults: (batch) => results.push(...batch) })
    onTestFinished(() => prober.close())
    const target = `127.0.0.1:${(await respond()).port}`
    await prober.setTasks([{ id: 'a', protocol: 'udp', target, intervalMs: 20, options: { timestamps: true } }])
    await eventually(() => results.length > 3, 'results')
    for (const { result } of results) expect(result).toMatchObject({ ok: true, detail: { arrivalStamp: 'software' } })
    expect(results.at(-1)?.result).toMatchObject({
      detail: { lostForth: 0, lostBack: 0, previousResidenceNs: expect.any(Number) },
    })
  })

  test('from several ports has no previous answer, because each is a session of its own', async () => {
    const result = await probe('udp', `127.0.0.1:${(await respond()).port}`, { timestamps: true, flows: 8 })
    expect(result).toMatchObject({ ok: true, detail: { arrivalStamp: 'software' }, packets: { sent: 8, returned: 8 } })
    expect(result.detail).not.toHaveProperty('previousResidenceNs')
  })

  test('over a kept flow says the same', async () => {
    const { prober, session } = seriesOfTest()
    const target = `127.0.0.1:${(await respond()).port}`
    const options = { timestamps: true, keep: true, session }
    await prober.probe('udp', target, options)
    expect(await prober.probe('udp', target, options)).toMatchObject({
      ok: true,
      detail: { arrivalStamp: 'software', departureStamp: 'control-plane' },
    })
  })

  test('is asked for nothing without the option', async () => {
    const { detail } = await probe('udp', `127.0.0.1:${(await respond()).port}`)
    expect(Object.keys(detail ?? {}).filter((key) => answers.includes(key))).toEqual([])
  })
})

test('a reflector without the native part says that its process takes all timestamps', async () => {
  const reflect = createReflector('', createStampSessions())
  const server = await listenUdp((bytes, from, socket) => {
    if (reflect(bytes, from)) socket.send(bytes, from.port, from.address)
  })
  const { prober, session } = seriesOfTest()
  const target = `127.0.0.1:${server.address().port}`
  const byProcess = { arrivalStamp: 'control-plane', departureStamp: 'control-plane', arrivalClock: 'free-running' }
  expect(await prober.probe('udp', target, { timestamps: true, session })).toMatchObject({ detail: byProcess })
  expect(await prober.probe('udp', target, { timestamps: true, session })).toMatchObject({
    detail: { ...byProcess, previousResidenceNs: expect.any(Number), previousDepartureStamp: 'control-plane' },
  })
})

describe('the residence of the previous packet', () => {
  /** Nanoseconds from arrival to departure, as the reflector says in its next answer. */
  const heldNs = 23_100

  test('is the time from its arrival to the departure of its answer, to the nanosecond', async () => {
    const { ask } = await reflector(() => heldNs)
    expect(await ask()).not.toHaveProperty('previousResidenceNs')
    for (let i = 0; i < 3; i++)
      expect(await ask()).toMatchObject({ previousResidenceNs: heldNs, previousDepartureStamp: 'hardware' })
  })

  test.for([
    ['before it arrived', -1e6],
    ['after its answer was here', 3e9],
  ] as const)('is absent if the reflector says that its answer left %s', async ([, wrongNs]) => {
    const { ask } = await reflector(() => wrongNs)
    for (let i = 0; i < 3; i++) {
      const detail = await ask()
      expect(detail).toMatchObject({ arrivalStamp: 'software' })
      expect(detail).not.toHaveProperty('previousResidenceNs')
      expect(detail).not.toHaveProperty('stampsUnknown')
    }
  })

  test('is absent after an answer that was lost, and known again afterwards', async () => {
    const { ask, lose } = await reflector(() => heldNs)
    await ask()
    lose()
    await ask({ timeoutMs: 100 })
    expect(await ask()).not.toHaveProperty('previousResidenceNs')
    expect(await ask()).toMatchObject({ previousResidenceNs: heldNs })
  })
})

describe('is no failure where the reflector', () => {
  test('does not know the question', async () => {
    for (const key of ['', 'secret']) {
      const { ask } = await reflector(() => 0, { key, knows: false })
      expect(shown(await ask({ key }))).toMatchInlineSnapshot(
        `"127.0.0.1:PORT does not say how it stamps packets: it does not fill in the Timestamp Information TLV (RFC 8972 §4.3); 127.0.0.1:PORT does not say when its previous answer left: it does not fill in the Follow-Up Telemetry TLV (RFC 8972 §4.7)"`,
      )
    }
  })

  test('is one of TWAMP Light, which drops TLVs', async () => {
    for (const length of [41, 84]) {
      const { ask } = await reflector(() => 0, { length })
      expect(shown(await ask({ light: true }))).toMatchInlineSnapshot(
        `"127.0.0.1:PORT does not say how it stamps packets: it does not fill in the Timestamp Information TLV (RFC 8972 §4.3); 127.0.0.1:PORT does not say when its previous answer left: it does not fill in the Follow-Up Telemetry TLV (RFC 8972 §4.7)"`,
      )
    }
  })
})

interface Kind {
  readonly key?: string
  /** Whether it understands the TLVs of timestamps. */
  readonly knows?: boolean
  /** Of its answers; what is behind the packet is zeros then. */
  readonly length?: number
}

/** Starts a reflector that says of each answer, in the next one, that it left `heldNs` after its request arrived. */
async function reflector(heldNs: () => number, { key = '', knows = true, length }: Kind = {}) {
  let sequence = 0
  let loses = false
  let previous:
    | { readonly sequence: number; readonly sent: ReturnType<typeof timestampOf>; readonly sentBy: number }
    | undefined
  const server = await listenUdp((bytes, from, socket) => {
    const answer = Uint8Array.from(bytes)
    const request = decodeStampRequest(answer, key)
    if (request === undefined) throw new Error('a request of STAMP')
    const nowNs = unixNowNs()
    const now = timestampOf(nowNs, 'ntp')
    if (knows) {
      const reflection = { clockSource: 1, receivedBy: 2, sentBy: 3, ...(previous === undefined ? {} : { previous }) }
      reflectTlvs(answer, { from: stampBytes(key), key }, reflection)
    } else for (const { at } of readTlvs(answer, stampBytes(key))) answer[at] = tlvFlags.unrecognized
    const estimate = { format: 'ntp', isSynchronized: false, errorNs: 16e9 } as const
    turnIntoStampAnswer(answer, { sequence, sent: now, received: now, estimate, senderTtl: 64 }, key)
    previous = { sequence, sent: timestampOf(nowNs + BigInt(heldNs()), 'ntp'), sentBy: 1 }
    sequence++
    if (!loses)
      socket.send(length === undefined ? answer : answer.fill(0, 44).subarray(0, length), from.port, from.address)
    loses = false
  })
  const { prober, session } = seriesOfTest()
  return {
    lose() {
      loses = true
    },
    async ask(options: { readonly key?: string; readonly light?: boolean; readonly timeoutMs?: number } = {}) {
      const target = `127.0.0.1:${server.address().port}`
      const { detail } = await prober.probe('udp', target, { timestamps: true, timeoutMs: 5_000, ...options, session })
      return detail
    },
  }
}

function shown(detail: { readonly stampsUnknown?: string } | undefined): string {
  return detail?.stampsUnknown?.replaceAll(/:\d+/g, ':PORT') ?? ''
}

function seriesOfTest() {
  const prober = createProber()
  onTestFinished(() => prober.close())
  return { prober, session: prober.openSession() }
}

async function respond({ host = '127.0.0.1', key = '' } = {}) {
  const responder = await startUdpResponder({ host, port: 0, key })
  onTestFinished(() => responder.close())
  return responder
}

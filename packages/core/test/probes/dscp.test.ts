import { expect, onTestFinished, test } from 'vitest'
import { runAlone } from '../../../../test/support/alone.ts'
import { namespaces } from '../../../../test/support/child.ts'
import { eventually } from '../../../../test/support/eventually.ts'
import { describeWith, nativePart, testWith } from '../../../../test/support/requirements.ts'
import { listenUdp } from '../../../../test/support/servers.ts'
import { stampAnswerTo } from '../../../../test/support/stamp.ts'
import { createProber, probe } from '../../src/attempt/prober.ts'
import type { TaskResult } from '../../src/attempt/task.ts'
import { createReflector } from '../../src/responders/reflect.ts'
import { createStampSessions } from '../../src/responders/stamp-sessions.ts'
import { startUdpResponder } from '../../src/responders/udp.ts'

const unchanged = { dscpSent: 46, dscpArrived: 46, dscpReturned: 46 }

describeWith(nativePart)('packets with a DSCP', () => {
  test.for([
    ['127.0.0.1', '127.0.0.1', ''],
    ['127.0.0.1', '127.0.0.1', 'secret'],
    ['::1', '[::1]', ''],
    ['::1', '[::1]', 'secret'],
  ] as const)('arrive at %s and return with it where nothing changes it: %s, key %j', async ([host, written, key]) => {
    const responder = await respond({ host, key })
    for (const options of [{}, { payloadBytes: 1400 }, { keep: true }]) {
      const result = await probe('udp', `${written}:${responder.port}`, { dscp: 46, key, ...options })
      expect(result).toMatchObject({ ok: true, detail: unchanged, clock: { tx: 'kernel', rx: 'kernel' } })
      expect(result.detail).not.toHaveProperty('dscpChange')
    }
  })

  test('of no priority are asked about as well, and without the option nothing is', async () => {
    const { port } = await respond()
    const detail = { dscpSent: 0, dscpArrived: 0, dscpReturned: 0 }
    expect(await probe('udp', `127.0.0.1:${port}`, { dscp: 0 })).toMatchObject({ ok: true, detail })
    const { detail: plain } = await probe('udp', `127.0.0.1:${port}`)
    expect(Object.keys(plain ?? {}).filter((key) => key.startsWith('dscp'))).toEqual([])
  })

  test('are sent from several ports, too', async () => {
    const { port } = await respond()
    expect(await probe('udp', `127.0.0.1:${port}`, { dscp: 46, flows: 8 })).toMatchObject({
      ok: true,
      detail: unchanged,
      packets: { sent: 8, returned: 8 },
    })
  })

  test('are no larger than their answers, and no smaller', async () => {
    const sizes: number[] = []
    const server = await listenUdp((bytes, from, socket) => {
      const answer = stampAnswerTo(bytes)
      sizes.push(bytes.length, answer.length)
      socket.send(answer, from.port, from.address)
    })
    await probe('udp', `127.0.0.1:${server.address().port}`, { dscp: 46 })
    expect(sizes).toEqual([64, 64])
  })

  test('are repeated by a task, whose losses by direction are counted as ever', async () => {
    const results: TaskResult[] = []
    const prober = createProber({ onResults: (batch) => results.push(...batch) })
    onTestFinished(() => prober.close())
    const target = `127.0.0.1:${(await respond()).port}`
    await prober.setTasks([{ id: 'a', protocol: 'udp', target, intervalMs: 20, options: { dscp: 46 } }])
    await eventually(() => results.length > 3, 'results')
    const packets = { returned: 1, remarkedForth: 0, remarkedBack: 0 }
    for (const { result } of results) expect(result).toMatchObject({ ok: true, detail: unchanged, packets })
    expect(results.at(-1)?.result).toMatchObject({ detail: { lostForth: 0, lostBack: 0 } })
  })

  test.for(['', 'secret'])('have no known arrival at a reflector that cannot see it, with the key %j', async (key) => {
    const reflect = createReflector(key, createStampSessions())
    const server = await listenUdp((bytes, from, socket) => {
      if (reflect(bytes, from)) socket.send(bytes, from.port, from.address)
    })
    const result = await probe('udp', `127.0.0.1:${server.address().port}`, { dscp: 46, key })
    expect(result).toMatchObject({ ok: true, detail: { dscpSent: 46, dscpReturned: 0 } })
    expect(result.detail).not.toHaveProperty('dscpArrived')
    expect(Object.keys(result.packets ?? {}).filter((key) => key.startsWith('remarked'))).toEqual([])
    expect(result.ok ? result.detail.dscpChange?.replace(/:\d+/, ':PORT') : '').toMatchInlineSnapshot(
      `"127.0.0.1:PORT does not say with which DSCP requests arrive, so where it changes is unknown: it does not fill in the Class of Service TLV (RFC 8972 §4.4)"`,
    )
  })

  test('have no known arrival at a reflector of TWAMP Light', async () => {
    for (const length of [41, 64]) {
      const server = await listenUdp((bytes, from, socket) => {
        const answer = stampAnswerTo(bytes).fill(0, 44)
        socket.send(answer.subarray(0, length), from.port, from.address)
      })
      const result = await probe('udp', `127.0.0.1:${server.address().port}`, { dscp: 46, light: true })
      expect(result).toMatchObject({ ok: true, detail: { dscpSent: 46 } })
      expect(result.detail).not.toHaveProperty('dscpArrived')
    }
  })

  test('show nothing of the path back where the reflector answers with another one than it is asked for', async () => {
    const server = await listenUdp((bytes, from, socket) => {
      const answer = stampAnswerTo(bytes)
      // RP, behind both DSCPs and ECN.
      answer[61] = (answer[61] ?? 0) | 1
      socket.send(answer, from.port, from.address)
    })
    const result = await probe('udp', `127.0.0.1:${server.address().port}`, { dscp: 46 })
    expect(result).toMatchObject({ ok: true, detail: { dscpSent: 46, dscpArrived: 0, dscpReturned: 0 } })
    expect(result.packets).toMatchObject({ remarkedForth: 1 })
    expect(result.packets).not.toHaveProperty('remarkedBack')
    expect(result.ok ? result.detail.dscpChange?.replaceAll(/:\d+/g, ':PORT') : '').toMatchInlineSnapshot(
      `"the path to 127.0.0.1:PORT changes DSCP 46 to 0; 127.0.0.1:PORT does not answer with DSCP 46, so the path back is unknown"`,
    )
  })

  test('have a bad reply where the answer brings back another question, or a wrong HMAC of it', async () => {
    for (const [key, at] of [
      ['', 60],
      ['secret', 128],
      ['secret', 150],
    ] as const) {
      const server = await listenUdp((bytes, from, socket) => {
        const answer = stampAnswerTo(bytes, key)
        answer[at] = (answer[at] ?? 0) ^ 0x80
        socket.send(answer, from.port, from.address)
      })
      expect(await probe('udp', `127.0.0.1:${server.address().port}`, { dscp: 46, key })).toMatchObject({
        failure: {
          reason: 'bad-reply',
          message: expect.stringContaining('answered with other bytes than it was sent'),
        },
      })
    }
  })

  testWith(
    'ip',
    'nft',
    namespaces,
  )('are told apart by the direction in which a device rewrites them', () => {
    expect(runAlone(rewriting)).toMatchInlineSnapshot(`
      [
        "46 46 46 unchanged 0 0",
        "46 0 46 the path to 127.0.0.1:8079 changes DSCP 46 to 0 1 0",
        "46 46 10 the path back from 127.0.0.1:8079 changes DSCP 46 to 10 0 1",
        "46 0 10 the path to 127.0.0.1:8079 changes DSCP 46 to 0; the path back from 127.0.0.1:8079 changes DSCP 46 to 10 1 1",
        "46 46 46 unchanged 0 0",
        "46 0 46 the path to [::1]:8079 changes DSCP 46 to 0 1 0",
        "46 46 10 the path back from [::1]:8079 changes DSCP 46 to 10 0 1",
        "46 0 10 the path to [::1]:8079 changes DSCP 46 to 0; the path back from [::1]:8079 changes DSCP 46 to 10 1 1",
      ]
    `)
  })
})

test('a DSCP without the native part is not supported, and says what it needs', () => {
  expect(runAlone(withoutNative, { SCOUT_NATIVE: '0' })).toMatchObject([
    { reason: 'not-supported', message: expect.stringContaining('they need the native part') },
  ])
})

/** A device rewrites what goes to the responder, what returns, and both; once to a lower and once to a higher class. */
const rewriting = `
  import { execFileSync } from 'node:child_process'
  const { createProber, startUdpResponder } = await import(process.env.CORE)
  const nft = (text) => execFileSync('nft', [text], { encoding: 'utf8' })
  nft('add table inet scout')
  nft('add chain inet scout in { type filter hook prerouting priority -150; }')
  const prober = createProber()
  for (const [host, written, family] of [['127.0.0.1', '127.0.0.1', 'ip'], ['::1', '[::1]', 'ip6']]) {
    const responder = await startUdpResponder({ host, port: 8079 })
    const rules = { dport: 'udp dport 8079 ' + family + ' dscp set 0', sport: 'udp sport 8079 ' + family + ' dscp set 10' }
    for (const ways of [[], ['dport'], ['sport'], ['dport', 'sport']]) {
      for (const way of ways) nft('add rule inet scout in ' + rules[way])
      const { detail, packets } = await prober.probe('udp', written + ':8079', { dscp: 46 })
      const { dscpSent, dscpArrived, dscpReturned, dscpChange = 'unchanged' } = detail ?? {}
      const { remarkedForth, remarkedBack } = packets
      console.log(JSON.stringify([dscpSent, dscpArrived, dscpReturned, dscpChange, remarkedForth, remarkedBack].join(' ')))
      nft('flush chain inet scout in')
    }
    await responder.close()
  }
  prober.close()
`

const withoutNative = `
  const { probe, startUdpResponder } = await import(process.env.CORE)
  const responder = await startUdpResponder({ host: '127.0.0.1', port: 0 })
  const { failure } = await probe('udp', '127.0.0.1:' + responder.port, { dscp: 46 })
  console.log(JSON.stringify(failure ?? {}))
  await responder.close()
`

async function respond({ host = '127.0.0.1', key = '' } = {}) {
  const responder = await startUdpResponder({ host, port: 0, key })
  onTestFinished(() => responder.close())
  return responder
}

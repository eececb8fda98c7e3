import { describe, expect, test } from 'vitest'
import { createRandom } from '../../../../test/support/random.mjs'
import { proofs } from '../../src/diagnose/proofs/index.ts'
import type { AnyResult } from '../../src/probes/index.ts'
import type { UdpDetail } from '../../src/probes/udp.ts'

const rounds = 8
const ports = 16
const measured = {
  target: '10.244.2.2:8081',
  startedAtMs: 0,
  phasesNs: {},
  totalNs: 1_000_000,
  clock: { tx: 'kernel', rx: 'kernel' },
} as const
const noAnswer = { reason: 'timeout', message: 'no answer within 1s' } as const

/** Returns the results of all rounds, where this decides which packet is lost. */
function flowResults(isLost: (protocol: 'udp' | 'syn', port: number, round: number) => boolean): readonly AnyResult[] {
  return Array.from({ length: rounds }).flatMap((_, round) => [
    flowResult('udp', (port) => isLost('udp', port, round)),
    flowResult('syn', (port) => isLost('syn', port, round)),
  ])
}

function flowResult(protocol: 'udp' | 'syn', isLost: (port: number) => boolean): AnyResult {
  const flows = Array.from({ length: ports }, (_, index) => {
    const port = 41_000 + index
    return { sourcePort: port, ...(isLost(port) ? {} : { rttNs: 200_000 }) }
  })
  const isOk = flows.every(({ rttNs }) => rttNs !== undefined)
  if (protocol === 'udp')
    return isOk
      ? { ...measured, protocol, ok: true, detail: { payloadBytes: 64, flows } }
      : { ...measured, protocol, ok: false, failure: { ...noAnswer, phase: 'echo' }, detail: { flows } }
  return isOk
    ? { ...measured, protocol, ok: true, detail: { sourcePort: 41_000, flows } }
    : { ...measured, protocol, ok: false, failure: { ...noAnswer, phase: 'handshake' }, detail: { flows } }
}

describe('flows', () => {
  const read = (isLost: Parameters<typeof flowResults>[0]) => proofs.flows.read(flowResults(isLost))

  test('name the source ports that always fail, as those of a broken path do', () => {
    const broken = new Set([41_003, 41_009])
    const reading = read((protocol, port) => protocol === 'udp' && broken.has(port))
    expect(reading).toMatchObject({
      says: '2 of 32 flows lose 16 of 16 packets (source ports udp 41003, udp 41009), the others lose 0 of 240',
      shows: 'silent',
      packets: 256,
      values: { sent: 256, lost: 16, failing: ['udp 41003', 'udp 41009'] },
    })
    expect(reading.values['flows']).toHaveLength(32)
    expect(reading.values['flows']).toEqual(
      expect.arrayContaining([
        { name: 'udp 41003', sent: 8, lost: 8 },
        { name: 'syn 41003', sent: 8, lost: 0 },
      ]),
    )
  })

  test('name them beside random loss, and where half of all fail', () => {
    const random = createRandom(7)
    expect(read((_, port) => port === 41_004 || random.ratio() < 0.03)).toMatchObject({
      shows: 'silent',
      values: { failing: ['udp 41004', 'syn 41004'] },
    })
    expect(read((_, port) => port % 2 === 0).values['failing']).toHaveLength(16)
  })

  test.each([0.01, 0.05, 0.1, 0.3, 0.6])('take random loss of %d for what it is', (ratio) => {
    for (let seed = 1; seed <= 200; seed++) {
      const random = createRandom(seed)
      const { shows, says, values } = read(() => random.ratio() < ratio)
      expect({ ratio, seed, says, failing: values['failing'] }).toMatchObject({ failing: [] })
      expect(['lossy', 'passes']).toContain(shows)
    }
  })

  test.each([
    ['a filter of one protocol', (protocol: string) => protocol === 'udp'],
    ['a limit on bursts, which drops the last packets of each', (_: string, port: number) => port >= 41_011],
    ['nothing at all arriving', () => true],
  ])('do not decide about %s', (_, isLost) => {
    const { shows, says } = read(isLost)
    expect({ says, shows }).toMatchObject({ shows: undefined })
  })

  test('pass where all is answered, and have nothing to say without packets', () => {
    expect(read(() => false)).toMatchObject({ says: '32 flows lose none of 256 packets', shows: 'passes' })
    const failed: AnyResult = {
      ...measured,
      protocol: 'udp',
      ok: false,
      failure: { reason: 'not-supported', phase: 'setup', message: '16 source ports at once need the native part' },
    }
    expect(proofs.flows.read([failed])).toEqual({
      says: '16 source ports at once need the native part',
      packets: 0,
      values: {},
    })
  })
})

describe('mtu', () => {
  const says = 'packets larger than 1378 bytes vanish on the way to 10.244.2.2, while 1500 bytes pass back'
  const detail = {
    pathMtu: 1_378,
    interfaceMtu: 1_500,
    knownMtu: 1_500,
    forward: { passes: 1_378, fails: 1_379 },
    back: { passes: 1_500 },
    reports: [],
    askedBy: ['ping'],
    unknown: [],
    says,
  } as const
  const packets = { sent: 60, returned: 40, duplicated: 0, reordered: 0, late: 0 }

  test('says the size and the direction of a black hole to the byte', () => {
    const result: AnyResult = {
      ...measured,
      protocol: 'mtu',
      ok: false,
      failure: { reason: 'black-hole', phase: 'directions', message: says },
      detail: { ...detail, verdict: 'black-hole' },
      packets,
    }
    expect(proofs.mtu.read([result])).toEqual({
      says,
      shows: 'silent',
      packets: 60,
      values: {
        verdict: 'black-hole',
        pathMtu: 1_378,
        interfaceMtu: 1_500,
        forward: { passes: 1_378, fails: 1_379 },
        back: { passes: 1_500 },
      },
    })
  })

  test('passes where all sizes do, and where a router reports those that do not', () => {
    for (const verdict of ['full', 'reported'] as const) {
      const result: AnyResult = { ...measured, protocol: 'mtu', ok: true, detail: { ...detail, verdict }, packets }
      expect(proofs.mtu.read([result]).shows).toBe('passes')
    }
  })

  test('decides nothing where no packet is answered', () => {
    const failure = { ...noAnswer, phase: 'reach' } as const
    const result: AnyResult = { ...measured, protocol: 'mtu', ok: false, failure }
    expect(proofs.mtu.read([result])).toEqual({ says: 'no answer within 1s', packets: 0, values: {} })
  })
})

describe('trace', () => {
  const hop = (hop: number, address: string, isTarget = false) => ({
    hop,
    sent: 3,
    returned: 3,
    lossRatio: 0,
    from: [{ address, isTarget, returned: 3, timesNs: [1, 2, 3] }],
  })
  const silent = (hop: number) => ({ hop, sent: 3, returned: 0, lossRatio: 1, from: [] })
  const arriving = (flow: number) => ({
    flow,
    sourcePort: 33_000 + flow,
    isReached: true,
    hops: [hop(1, '10.0.1.1'), hop(2, '10.0.2.1'), hop(3, '10.244.2.2', true)],
  })
  const lost = (flow: number) => ({
    flow,
    sourcePort: 33_000 + flow,
    isReached: false,
    hops: [hop(1, '10.0.1.1'), silent(2), silent(3)],
  })
  const read = (flows: readonly (ReturnType<typeof arriving> | ReturnType<typeof lost>)[]) =>
    proofs.trace.read([
      { ...measured, protocol: 'trace', ok: true, detail: { transport: 'tcp', isReached: true, flows } },
    ])

  test('names the last hop that answers to the flows that are lost, and these, and shows each hop of each flow', () => {
    const answered = (hop: number, address: string, isTarget = false) => ({
      hop,
      sent: 3,
      returned: 3,
      from: [{ address, isTarget, medianNs: 2 }],
    })
    const unanswered = (hop: number) => ({ hop, sent: 3, returned: 0, from: [] })
    const there = [answered(1, '10.0.1.1'), answered(2, '10.0.2.1'), answered(3, '10.244.2.2', true)]
    const gone = [answered(1, '10.0.1.1'), unanswered(2), unanswered(3)]
    expect(read([arriving(1), lost(2), arriving(3), lost(4)])).toEqual({
      says: '2 of 4 flows (source ports 33002, 33004) are lost after 10.0.1.1 (hop 1), the last router that answers, over tcp',
      packets: 0,
      values: {
        transport: 'tcp',
        ways: [
          { sourcePort: 33_001, isReached: true, hops: there },
          { sourcePort: 33_002, isReached: false, hops: gone },
          { sourcePort: 33_003, isReached: true, hops: there },
          { sourcePort: 33_004, isReached: false, hops: gone },
        ],
      },
    })
  })

  test('names the routers where all flows arrive', () => {
    expect(read([arriving(1), arriving(2)]).says).toBe('all 2 flows arrive, by way of 10.0.1.1, 10.0.2.1, over tcp')
  })

  test('tells by the farthest router that any lost flow shows, because routers limit their answers', () => {
    const unanswered = { ...lost(2), hops: [silent(1), silent(2)] }
    expect(read([unanswered, lost(1)]).says).toBe(
      'all 2 flows are lost after 10.0.1.1 (hop 1), the last router that answers, over tcp',
    )
    expect(read([unanswered]).says).toBe('packets are lost before any router answers, over tcp')
  })

  test('sends datagrams where nothing listens, because responders do not answer them', () => {
    expect(proofs.trace.attempts('udp')).toMatchObject([{ options: { transport: 'udp' }, isWithoutPort: true }])
    expect(proofs.trace.attempts('tcp')[0]?.isWithoutPort).toBeUndefined()
  })

  test('is made with the protocol that fails', () => {
    const transportOf = (protocol: string) => proofs.trace.attempts(protocol)[0]?.options['transport']
    expect(['udp', 'http', 'icmp', 'dns'].map(transportOf)).toEqual(['udp', 'tcp', 'icmp', 'any'])
  })
})

describe('train', () => {
  const sent = 32
  const resultOf = (
    detail: Partial<UdpDetail>,
    returned: number,
    rates: Partial<UdpDetail> = { forthBitsPerSecond: 1e9 },
  ): AnyResult => ({
    ...measured,
    protocol: 'udp',
    ok: true,
    detail: {
      payloadBytes: 1_400,
      lostAtEnd: 0,
      forthWaitNs: 1_000,
      backWaitNs: 1_000,
      ...rates,
      ...detail,
    },
    packets: { sent, returned, duplicated: 0, reordered: 0, late: 0 },
  })
  const read = (details: readonly Partial<UdpDetail>[], returned = sent) =>
    proofs.train.read(details.map((detail) => resultOf(detail, returned)))
  const five = <T>(one: T) => Array.from({ length: 5 }, () => one)

  test('passes where one passes at once, whatever held up the others', () => {
    const slow = { forthBitsPerSecond: 5e6, forthWaitNs: 70e6 }
    expect(read(five({}))).toMatchObject({
      says: 'large packets sent together arrive too fast to tell the rate, and none of 160 are lost',
      shows: 'passes',
      packets: 160,
    })
    expect(read([slow, slow, {}, slow, slow]).shows).toBe('passes')
    expect(read(five({ backBitsPerSecond: 380e6, backWaitNs: 1e6 }))).toMatchObject({
      says: 'large packets sent together arrive at 380Mbit/s, and none of 160 are lost',
      shows: 'passes',
    })
  })

  test('shows a long queue where each waits longer than the one before and none is lost, and else a limit', () => {
    const slow = { forthBitsPerSecond: 990e3, forthWaitNs: 345.2e6 }
    expect(read(five(slow))).toMatchObject({
      says: 'large packets sent together arrive at 990kbit/s, the last 345ms after the first, and none of 160 are lost',
      shows: 'queued',
    })
    expect(read(five({ backBitsPerSecond: 990e3, backWaitNs: 345e6 })).shows).toBe('queued')
    expect(read(five(slow), 30).shows).toBe('limited')
    expect(read(five({ forthBitsPerSecond: 40e6, forthWaitNs: 9e6 }), 30)).toMatchObject({
      says: 'large packets sent together arrive at 40Mbit/s, the last 9ms after the first, and 10 of 160 are lost',
      shows: 'limited',
    })
  })

  test('shows a limit of the own host, whose queue refuses packets and holds others before they are stamped', () => {
    const refused = resultOf({ lostAtEnd: 10, forthBitsPerSecond: 990e3 }, 22)
    const results = five({ ...refused, packets: { sent: 22, returned: 22, duplicated: 0, reordered: 0, late: 0 } })
    expect(proofs.train.read(results)).toMatchObject({
      says: 'large packets sent together arrive at 990kbit/s, and the last 10 of 32 are lost',
      shows: 'limited',
    })
  })

  test('does not take trains of which too little arrives for fast ones', () => {
    const slow = resultOf({ forthBitsPerSecond: 9.9e6, forthWaitNs: 30e6 }, 27)
    const hardlyAny = resultOf({ lostAtEnd: 20 }, 4, {})
    expect(proofs.train.read([slow, hardlyAny, slow, hardlyAny, slow]).shows).toBe('limited')
    expect(proofs.train.read([hardlyAny, hardlyAny, hardlyAny])).not.toHaveProperty('shows')
  })

  test('shows a limit where nearly every train loses its end, and not where some do', () => {
    expect(read(five({ lostAtEnd: 22 }), 10)).toMatchObject({
      says: 'large packets sent together arrive too fast to tell the rate, and the last 22 of 32 are lost',
      shows: 'limited',
    })
    expect(read(five({ lostAtEnd: 30 }), 2).shows).toBe('limited')
    const [cut, whole] = [resultOf({ lostAtEnd: 22 }, 10), resultOf({}, sent)]
    expect(proofs.train.read([cut, cut, cut, cut, whole]).shows).toBe('limited')
    expect(proofs.train.read([cut, cut, cut, whole, whole]).shows).toBe('passes')
  })

  test.each([0.05, 0.2, 0.5, 0.8, 0.9, 0.95])('takes random loss of %d for no limit', (ratio) => {
    for (let seed = 1; seed <= 200; seed++) {
      const random = createRandom(seed)
      const trains = Array.from({ length: 5 }, () => Array.from({ length: sent }, () => random.ratio() < ratio))
      const answered = trains.filter((lost) => lost.includes(false))
      const results = answered.map((lost) => {
        const detail = { lostAtEnd: sent - 1 - lost.lastIndexOf(false) }
        return resultOf(detail, lost.filter((isLost) => !isLost).length)
      })
      expect({ seed, shows: proofs.train.read(results).shows ?? 'passes' }).toEqual({ seed, shows: 'passes' })
    }
  })

  test('decides nothing where hardly any train is answered', () => {
    const failure = { ...noAnswer, phase: 'echo' } as const
    const failed: AnyResult = { ...measured, protocol: 'udp', ok: false, failure }
    expect(proofs.train.read([failed, failed])).toEqual({ says: 'no answer within 1s', packets: 0, values: {} })
    expect(read([{}, {}])).toEqual({ says: 'nothing was learned', packets: 64, values: {} })
  })

  test('sends 230 kB at most', () => {
    const { rounds, attempts } = proofs.train
    const bytes = attempts('udp').map(
      ({ options }) => Number(options['volley']) * (Number(options['payloadBytes']) + 28),
    )
    expect(bytes.reduce((sum, one) => sum + one, 0) * rounds).toBeLessThan(230_000)
  })
})

import type { HopAnswers, Result, TraceDetail, TraceFlow, TraceHop } from '@scout/core'
import { createColors } from 'picocolors'
import { describe, expect, test } from 'vitest'
import { createTraceReport } from '../src/render/trace.ts'
import { roundedDuration, roundedPercent } from '../src/render/words.ts'

test('a trace reads like mtr: a line for each hop and way, and what it means', () => {
  const flows: readonly TraceFlow[] = [
    flow(1, 40_001, [
      hop(1, answers('10.9.1.2', [41_000, 45_000, 60_100])),
      hop(2, answers('10.9.21.2', [200_000, 210_000, 1_230_000])),
      { ...hop(3), forwards: true },
      { ...hop(4, answers('10.9.4.2', [300_000])), sent: 3, lossRatio: 2 / 3, forwards: true },
      hop(5, { ...answers('10.9.5.2', [300_000, 310_000, 320_000]), mtu: 1300 }),
      hop(6, {
        ...answers('10.9.6.2', [400_000, 410_000, 420_000]),
        labels: [
          { label: 16_001, trafficClass: 0, ttl: 1, isBottom: false },
          { label: 24_005, trafficClass: 5, ttl: 1, isBottom: true },
        ],
      }),
      hop(7, {
        ...answers('10.9.8.2', [12_300_000, 12_400_000, 1_250_000_000]),
        isTarget: true,
        icmp: { type: 3, code: 3, reason: 'refused', says: 'nothing is listening there' },
      }),
    ]),
    {
      ...flow(2, 40_002, [
        hop(1, answers('10.9.1.2', [41_000, 45_000, 60_100])),
        hop(2, {
          ...answers('10.9.22.2', [200_000, 210_000, 999_600]),
          icmp: { type: 3, code: 0, reason: 'unreachable', says: 'a router has no route to it' },
        }),
      ]),
      isReached: false,
    },
  ]
  expect(shown({ transport: 'udp', isReached: true, flows })).toMatchInlineSnapshot(`
    "
    trace of 10.9.8.2
    UDP datagrams, 2 flows from ports 40001, 40002

    HOP  ADDRESS    FLOWS    LOSS  SENT     BEST   MEDIAN    WORST
      1  10.9.1.2   all       0 %     6  41.0 µs  45.0 µs  60.1 µs
      2  10.9.21.2  1         0 %     3   200 µs   210 µs  1.23 ms
         10.9.22.2  2         0 %     3   200 µs   210 µs  1.00 ms  ICMP 3/0: unreachable
      3  -          1       100 %     1                             silent, but forwards: later hops answer
      4  10.9.4.2   1      66.7 %     3   300 µs   300 µs   300 µs  limits its answers: later hops lose less
      5  10.9.5.2   1         0 %     3   300 µs   310 µs   320 µs  MTU of the next hop 1300 bytes
      6  10.9.6.2   1         0 %     3   400 µs   410 µs   420 µs  MPLS 16001 (class 0, TTL 1), 24005 (class 5, TTL 1)
      7  10.9.8.2   1         0 %     3  12.3 ms  12.4 ms   1.25 s  target; ICMP 3/3: refused

    10.9.8.2 is 7 hops away; 27 packets in 412 ms
    flow 2 does not reach it (from port 40002): 10.9.22.2 answers as hop 2 with ICMP 3/0 (a router has no route to it)
    "
  `)
})

test('a trace that does not arrive shows how far it came, and why it failed', () => {
  const [first, silent] = [hop(1, answers('10.9.1.2', [41_000])), { ...hop(2), forwards: false }]
  const flows = [
    { ...flow(1, undefined, [first, silent, { ...silent, hop: 3 }, { ...silent, hop: 4 }]), isReached: false },
  ]
  const detail = { transport: 'icmp', isReached: false, flows } as const
  expect(shown(detail, { reason: 'timeout', phase: 'trace', message: 'no answer' })).toMatchInlineSnapshot(`
    "
    trace of 10.9.8.2
    ICMP echo requests, 1 flow

    HOP  ADDRESS    LOSS  SENT     BEST   MEDIAN    WORST
      1  10.9.1.2    0 %     1  41.0 µs  41.0 µs  41.0 µs
    2-4  -         100 %     3                             silent from here on

    timeout in trace: no answer
    27 packets in 412 ms
    "
  `)
})

describe('numbers have a unit and three digits', () => {
  test.for([
    [4_321, '4.32 µs'],
    [999_400, '999 µs'],
    [999_600, '1.00 ms'],
    [12_345_678, '12.3 ms'],
    [1_250_000_000, '1.25 s'],
    [0, '0.00 µs'],
  ] as const)('%i ns are %s', ([ns, text]) => {
    expect(roundedDuration(ns)).toBe(text)
  })

  test.for([
    [1 / 3, '33.3 %'],
    [0, '0 %'],
    [1, '100 %'],
    [0.004, '0.4 %'],
  ] as const)('%d is %s', ([ratio, text]) => {
    expect(roundedPercent(ratio)).toBe(text)
  })
})

function shown(detail: TraceDetail, failure?: Extract<Result, { ok: false }>['failure']): string {
  let text = ''
  const out = { write: (more: string) => void (text += more), columns: undefined, colours: createColors(false) }
  const measured = {
    protocol: 'trace',
    target: '10.9.8.2',
    endpoint: { host: '10.9.8.2', address: '10.9.8.2', family: 'ipv4' },
    startedAtMs: 0,
    phasesNs: {},
    totalNs: 412_345_678,
    clock: { tx: 'kernel', rx: 'kernel' },
    packets: { sent: 27, returned: 20, duplicated: 0, reordered: 0, late: 0 },
    detail,
  } as const
  const report = createTraceReport(out, { target: '10.9.8.2' })
  report.begin()
  report.attempt(failure === undefined ? { ...measured, ok: true } : { ...measured, ok: false, failure }, 1)
  return `\n${text}`
}

function flow(number: number, sourcePort: number | undefined, hops: readonly TraceHop[]): TraceFlow {
  return { flow: number, ...(sourcePort === undefined ? {} : { sourcePort }), isReached: true, hops }
}

function hop(number: number, from?: HopAnswers): TraceHop {
  const returned = from?.returned ?? 0
  return {
    hop: number,
    sent: Math.max(returned, 1),
    returned,
    lossRatio: from === undefined ? 1 : 0,
    from: from === undefined ? [] : [from],
  }
}

function answers(address: string, timesNs: readonly number[]): HopAnswers {
  return { address, isTarget: false, returned: timesNs.length, timesNs, icmp: { type: 11, code: 0 } }
}

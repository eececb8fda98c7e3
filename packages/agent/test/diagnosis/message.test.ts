import { describe, expect, it } from 'vitest'
import { parseAnswer } from '../../src/diagnosis/answer.ts'
import { createHoldings } from '../../src/diagnosis/holdings.ts'
import { mostMessageBytes, parseMessage } from '../../src/diagnosis/message.ts'
import { factsToSend, reportOf } from '../../src/diagnosis/report.ts'
import { failingSeriesOf, failureOf, rowOf, seriesOf } from '../support/rows.ts'

const sound = {
  check: 'udp',
  protocol: 'udp',
  path: 'pod',
  vantage: 'pod',
  to: { kind: 'node', name: 'node-2' },
  target: '10.0.0.2:8081',
  symptom: 'silent',
  sinceMs: 1_000,
  trials: 3,
  lastMs: 2_000,
}

function read(parts: object) {
  const message = {
    from: { name: 'scout-1', process: 'p', startedAtMs: 1 },
    sequence: 1,
    takenAtMs: 1_000,
    nextMs: 10_000,
    node: { name: 'node-1', isStarved: false },
    baseId: 1,
    facts: [],
    unknown: [],
    ...parts,
  }
  return parseMessage(JSON.stringify(message))
}

function factsOf(fact: object) {
  return read({ facts: [{ ...sound, ...fact }] })?.facts
}

describe('evidence of another agent', () => {
  it('is read', () => {
    expect(factsOf({})).toMatchObject([sound])
    const share = { lost: 2, of: 2, low: 0.3, high: 1 }
    const remarked = { symptom: 'remarked', odd: { low: 0.3, high: 1, forth: share }, dscp: { sent: 46, seen: 0 } }
    expect(factsOf(remarked)).toMatchObject([{ ...sound, ...remarked }])
  })

  it.each([
    ['a time that is no date', { sinceMs: -1e300 }],
    ['a time after all dates', { lastMs: 1e16 }],
    ['more lost than sent', { symptom: 'lossy', loss: { low: 0.1, high: 1e300 } }],
    [
      'more lost on one way than sent',
      { symptom: 'lossy', loss: { low: 0.1, high: 1, forth: { lost: 9, of: 8, low: 0.1, high: 1 } } },
    ],
    ['a DSCP of seven bits', { symptom: 'remarked', dscp: { sent: 46, seen: 64 } }],
    ['less than no time', { slowerNs: -1 }],
    ['a target of two lines', { target: '10.0.0.2:80; reboot\n' }],
    ['a name that a terminal obeys', { check: '\u001b[2J' }],
  ])('is left out if it has %s', (_, fact) => {
    expect(factsOf(fact)).toEqual([])
  })
})

describe('arrivals at another agent', () => {
  const arrival = { from: 'node-2', family: 'ipv4', lastMs: 1_000 }

  it('are read, on the clock of the reader', () => {
    const message = read({ arrivals: [arrival] })
    if (message === undefined) throw new TypeError('it is read')
    const holdings = createHoldings()
    holdings.take(message, 501_000)
    expect(holdings.fresh().get('node-1')?.arrivals).toEqual([
      { at: 'node-1', from: 'node-2', family: 'ipv4', lastMs: 501_000, asOfMs: 501_000 },
    ])
  })

  it('are none from one of an earlier version', () => {
    expect(read({})?.arrivals).toEqual([])
  })

  it.each([
    ['a time that is no date', [{ ...arrival, lastMs: -1e300 }]],
    ['a name that a terminal obeys', [{ ...arrival, from: '\u001b[2J' }]],
    ['more of them than facts', Array.from({ length: 1_025 }, () => arrival)],
  ])('with %s are refused', (_, arrivals) => {
    expect(read({ arrivals })).toBeUndefined()
  })

  it('are sent of nodes of which something fails', () => {
    const series = [failingSeriesOf('timeout', { to: 'node-2' }), seriesOf({ to: 'node-3', tookSeconds: [0.1] })]
    const arrivals = (['node-2', 'node-3'] as const).map((from) => ({ from, family: 'ipv4', atMs: 1_000 }) as const)
    expect(reportOf(rowOf({ series, arrivals })).arrivals.map(({ from }) => from)).toEqual(['node-2'])
  })
})

it('evidence about very many lossy links is not too large, and what it has no room for counts as unknown', () => {
  const share = { lost: 123, of: 4_567, low: 1 / 70, high: 1 / 30 }
  const loss = { low: 1 / 60, high: 1 / 30, forth: share, back: share, sinceMs: 1_000.123, trials: 4_567 }
  const nodes = Array.from({ length: 32 }, (_, at) => `node-${at}.compute.internal`)
  const failures = [failureOf('timeout', 'é'.repeat(200))]
  const series = nodes.flatMap((to) =>
    Array.from({ length: 32 }, (_, at) => failingSeriesOf('timeout', { to, check: `check-${at}`, loss, failures })),
  )
  const { facts, unknown } = factsToSend(reportOf(rowOf({ series })))
  expect(Buffer.byteLength(JSON.stringify(facts))).toBeLessThan(0.75 * mostMessageBytes)
  expect(facts.length).toBeGreaterThan(200)
  const told = new Set([...facts.map(({ to }) => to.name), ...unknown.map(({ name }) => name)])
  expect(told).toEqual(new Set(nodes))
  expect(new Set(facts.map(({ to }) => to.name)).size + unknown.length).toBe(nodes.length)
})

it('an answer with more incidents than a watcher publishes is refused', () => {
  const incident = {
    id: '1',
    cause: 'node-down',
    scope: { kind: 'cluster' },
    direction: 'none',
    state: 'open',
    severity: 'critical',
    confidence: 1,
    openedAtMs: 1,
    summary: '',
    evidence: [],
    ruledOut: [],
    rivals: [],
    next: '',
  }
  const answer = (count: number) =>
    parseAnswer(
      JSON.stringify({
        accepted: true,
        needsBase: false,
        rows: 1,
        speaks: true,
        version: '1',
        incidents: Array.from({ length: count }, () => incident),
      }),
    )
  expect(answer(96)).toBeDefined()
  expect(answer(97)).toBeUndefined()
})

import { describe, expect, test } from 'vitest'
import { explain } from '../../src/diagnose/explain/explain.ts'
import { evidenceOf } from '../../src/diagnose/facts.ts'
import { scopeText } from '../../src/diagnose/scope.ts'
import type { Row, SeriesReport } from '../../src/mesh/row.ts'
import { failed, nowMs, rowOf, seriesOf } from '../mesh/rows.ts'

const loss = { low: 0.03, high: 0.09, sinceMs: nowMs - 90_000, trials: 300 }
const slow = { byNs: 2_000_000, sinceMs: nowMs - 60_000, trials: 25 }

const last = {
  protocol: 'tcp',
  target: '10.244.1.5:8081',
  startedAtMs: nowMs - 1_000,
  phasesNs: {},
  totalNs: 200_000,
  clock: { tx: 'kernel', rx: 'kernel' },
  ok: true,
  detail: {},
} as const

function evidenceFrom(series: readonly SeriesReport[], more: Partial<Row> = {}) {
  const row = { ...rowOf('node-1', series), ...more }
  return evidenceOf([{ node: 'node-1', received: { row, receivedAtMs: nowMs } }], nowMs)
}

function factOf(series: Partial<SeriesReport>) {
  const { facts } = evidenceFrom([seriesOf({ from: 'node-1', to: 'node-2', last, ...series })])
  return facts.find(({ to }) => to.name === 'node-2')
}

describe('facts', () => {
  test('say that a series loses packets, whether its last attempt passed or failed', () => {
    const expected = { symptom: 'lossy', loss: { low: 0.03, high: 0.09 }, sinceMs: nowMs - 90_000, trials: 300 }
    const { failures } = failed({ from: 'node-1', to: 'node-2' }, 'timeout')
    expect(factOf({ loss, failures })).toMatchObject(expected)
    expect(factOf({ ...failed({ from: 'node-1', to: 'node-2' }, 'timeout'), loss })).toMatchObject(expected)
  })

  test('say that a series is slow, unless it fails or loses packets', () => {
    expect(factOf({ slow })).toMatchObject({
      symptom: 'slow',
      slowerNs: 2_000_000,
      sinceMs: nowMs - 60_000,
      trials: 25,
    })
    expect(factOf({ slow, loss })).toMatchObject({ symptom: 'lossy' })
    expect(factOf({ ...failed({ from: 'node-1', to: 'node-2' }, 'refused'), slow })?.symptom).toBe('refused')
  })

  test('say that a host has no free port left, and nothing of what else it lacks', () => {
    const hinderedBy = (code: string) => {
      const failure = { reason: 'local-error', phase: 'connect', message: 'no', code }
      return { sinceMs: nowMs - 30_000, trials: 3, last: { ...last, ok: false, failure } } as const
    }
    const expected = { symptom: 'exhausted', sinceMs: nowMs - 30_000, trials: 3, code: 'EADDRNOTAVAIL' }
    expect(factOf({ hindered: hinderedBy('EADDRNOTAVAIL') })).toMatchObject(expected)
    expect(factOf({ state: 'waiting', last: undefined, hindered: hinderedBy('EADDRNOTAVAIL') })).toMatchObject(expected)
    expect(factOf({ hindered: hinderedBy('EMFILE') })).toMatchObject({ symptom: 'passes' })
  })

  test('name the phase in which a check fails', () => {
    expect(factOf(failed({ from: 'node-1', to: 'node-2' }, 'refused'))).toMatchObject({ phase: 'connect' })
  })

  test('ignore what was found before the last result became stale', () => {
    expect(factOf({ state: 'waiting', loss, slow })).toBeUndefined()
  })

  test('count time by the clock of the reader', () => {
    const row = {
      ...rowOf('node-1', [seriesOf({ from: 'node-1', to: 'node-2', last, loss })]),
      takenAtMs: nowMs + 5_000,
    }
    const { facts } = evidenceOf([{ node: 'node-1', received: { row, receivedAtMs: nowMs } }], nowMs)
    expect(facts[0]?.sinceMs).toBe(loss.sinceMs - 5_000)
  })
})

const calm = { spanMs: 60_000, started: 600, late: 0, skipped: 0, stalledMs: 20 }

describe('an agent', () => {
  test.each([
    ['is believed without a report', undefined, false],
    ['is believed when it has the CPU it needs', calm, false],
    ['is believed after one late attempt', { ...calm, late: 1 }, false],
    ['is starved when many attempts are late', { ...calm, late: 50 }, true],
    ['is starved when attempts are skipped', { ...calm, skipped: 100 }, true],
    ['is starved when a thread did not answer for seconds', { ...calm, stalledMs: 4_000 }, true],
    ['is starved when its limit throttles it', { ...calm, throttledMs: 9_000 }, true],
    ['is believed when its limit throttles it a little', { ...calm, throttledMs: 900 }, false],
    ['is starved when the hypervisor takes the CPU', { ...calm, stolenRatio: 0.5 }, true],
  ] satisfies [string, Row['lateness'], boolean][])('%s', (_, lateness, isStarved) => {
    expect(evidenceFrom([], { lateness }).nodes).toMatchObject([{ isStarved }])
  })
})

/** Rows of ten nodes in two zones; `isSlow` decides about each link. */
function findingsOf(isSlow: (from: string, to: string) => boolean): readonly string[] {
  const nodes = Array.from({ length: 10 }, (_, index) => `node-${index}`)
  const zoneOf = (node: string) => `zone-${Number(node.at(-1)) % 2}`
  const answers = nodes.map((node) => {
    const series = nodes
      .filter((to) => to !== node)
      .flatMap((to) =>
        ['tcp', 'udp', 'icmp'].map((protocol) =>
          seriesOf({
            from: node,
            to,
            toZone: zoneOf(to),
            check: protocol,
            protocol,
            last,
            trials: 100,
            sinceMs: nowMs - 1_000_000,
            ...(isSlow(node, to) ? { slow } : {}),
          }),
        ),
      )
    const row = rowOf(node, series)
    return { node, received: { row: { ...row, self: { ...row.self, zone: zoneOf(node) } }, receivedAtMs: nowMs } }
  })
  return explain(evidenceOf(answers, nowMs)).map(
    ({ cause, scope, direction }) => `${cause} ${scopeText(scope, direction)}`,
  )
}

const isAcross = (from: string, to: string) => Number(from.at(-1)) % 2 !== Number(to.at(-1)) % 2

describe('latency', () => {
  test('of one link is that of the link', () => {
    expect(findingsOf((from, to) => from === 'node-1' && to === 'node-2')).toEqual(['latency-raised node-1 -> node-2'])
  })

  test('that most links between two zones share is no fault of links, though some detectors have not alarmed yet', () => {
    expect(
      findingsOf((from, to) => isAcross(from, to) && !(from === 'node-1' && ['node-2', 'node-4'].includes(to))),
    ).toEqual(['latency-raised zone-0 <-> zone-1'])
  })
})

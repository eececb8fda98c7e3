import { describe, expect, test } from 'vitest'
import { shareOf } from '../../src/diagnose/detect/proportion.ts'
import { explain } from '../../src/diagnose/explain/explain.ts'
import { evidenceOf } from '../../src/diagnose/facts.ts'
import { scopeText } from '../../src/diagnose/scope.ts'
import type { Row } from '../../src/mesh/row.ts'
import type { SeriesReport } from '../../src/mesh/series-report.ts'
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
  test('are about a name server where the name of a peer is looked up, and about the peer where that is asked', () => {
    const lookup = { check: 'dns', protocol: 'dns', from: 'node-1', to: 'node-2', last } as const
    const { facts } = evidenceFrom([
      seriesOf({ ...lookup, path: 'name', target: 'node-2.pods.scout@10.96.0.10' }),
      seriesOf({ ...lookup, path: 'pod', target: 'scout@10.244.2.5' }),
    ])
    expect(facts.filter(({ check }) => check === 'dns').map(({ to }) => to)).toEqual([
      { kind: 'name-server', name: '10.96.0.10' },
      { kind: 'node', name: 'node-2' },
    ])
  })

  test('of one check share what it asks for, on every link, because a large mesh has hundreds of thousands', () => {
    const { facts } = evidenceFrom([
      seriesOf({ from: 'node-1', to: 'node-2', last, family: 'ipv4' }),
      seriesOf({ from: 'node-1', to: 'node-3', last, family: 'ipv4' }),
      failed({ from: 'node-1', to: 'node-4', family: 'ipv4' }, 'timeout'),
      seriesOf({ from: 'node-1', to: 'node-2', last, family: 'ipv6' }),
    ])
    const aspects = new Set(facts.filter(({ protocol }) => protocol !== 'host').map(({ aspect }) => aspect))
    expect([...aspects].map(({ family }) => family)).toEqual(['ipv4', 'ipv6'])
  })

  test('say that a series loses packets, whether its last attempt passed or failed', () => {
    const expected = { symptom: 'lossy', loss: { low: 0.03, high: 0.09 }, sinceMs: nowMs - 90_000, trials: 300 }
    const { failures } = failed({ from: 'node-1', to: 'node-2' }, 'timeout')
    expect(factOf({ loss, failures })).toMatchObject(expected)
    expect(factOf({ ...failed({ from: 'node-1', to: 'node-2' }, 'timeout'), loss })).toMatchObject(expected)
  })

  test('say of a UDP port that it rejects every check, though most get no answer because hosts send few ICMP errors', () => {
    const link = { from: 'node-1', to: 'node-2', protocol: 'udp', target: '10.244.1.5:8081' }
    const { facts } = evidenceFrom([
      failed({ ...link, check: 'udp' }, 'refused'),
      failed({ ...link, check: 'udp-large' }, 'timeout'),
      failed({ ...link, check: 'syn', protocol: 'syn' }, 'timeout'),
      failed({ ...link, check: 'udp', to: 'node-3', target: '10.244.2.5:8081' }, 'timeout'),
    ])
    const shown = facts
      .filter(({ target }) => target.startsWith('10.'))
      .map(({ check, to, symptom }) => [check, to.name, symptom])
    expect(shown).toEqual([
      ['udp', 'node-2', 'refused'],
      ['udp-large', 'node-2', 'refused'],
      ['syn', 'node-2', 'silent'],
      ['udp', 'node-3', 'silent'],
    ])
  })

  test('say how many packets were lost on which way', () => {
    const byDirection = { forth: shareOf(30, 300), back: shareOf(0, 270) }
    expect(factOf({ loss: { ...loss, ...byDirection } })?.loss).toEqual({ low: 0.03, high: 0.09, ...byDirection })
  })

  test('say that packets arrive twice, and how many on which way, unless some are lost', () => {
    const odd = { low: 0.1, high: 0.3, forth: shareOf(20, 100), back: shareOf(0, 100) }
    const duplicated = { ...odd, sinceMs: nowMs - 90_000, trials: 100 }
    expect(factOf({ duplicated, slow })).toMatchObject({ symptom: 'duplicated', odd, trials: 100 })
    expect(factOf({ duplicated, loss })).toMatchObject({ symptom: 'lossy' })
  })

  test('say that packets overtake each other, unless some are lost or arrive twice', () => {
    const odd = { low: 0.5, high: 1, forth: shareOf(7, 9), back: shareOf(0, 9) }
    const reordered = { ...odd, sinceMs: nowMs - 270_000, trials: 9 }
    expect(factOf({ reordered, slow })).toMatchObject({ symptom: 'reordered', odd, trials: 9 })
    expect(factOf({ reordered, loss })).toMatchObject({ symptom: 'lossy' })
    expect(factOf({ reordered, duplicated: reordered })).toMatchObject({ symptom: 'duplicated' })
  })

  test('say that a DSCP changes, unless something is worse', () => {
    const odd = { low: 0.5, high: 1, forth: shareOf(3, 3), back: shareOf(0, 3) }
    const remarked = { ...odd, sinceMs: nowMs - 900_000, trials: 3, dscp: { sent: 46, seen: 0 } }
    expect(factOf({ remarked })).toMatchObject({ symptom: 'remarked', odd, trials: 3, dscp: { sent: 46, seen: 0 } })
    expect(factOf({ remarked, slow })).toMatchObject({ symptom: 'slow' })
    expect(factOf({ remarked, loss })).toMatchObject({ symptom: 'lossy' })
    expect(factOf({ remarked, ...failed({ from: 'node-1', to: 'node-2' }, 'refused') })?.symptom).toBe('refused')
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

  test('say that times of a link vary, and of a server only that it is slow', () => {
    const spread = { nowNs: 12_000_000, usualNs: 300_000 }
    const varied = { ...slow, spread }
    expect(factOf({ slow: varied })).toMatchObject({ symptom: 'jittery', slowerNs: 2_000_000, spread, trials: 25 })
    expect(factOf({ slow: varied, path: 'service' })).toMatchObject({ symptom: 'slow' })
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

  test('say of a flow that is kept whether it passes or was dropped, and nothing else', () => {
    const socket = 'idle'
    const age = { ageNs: 6e11, idleNs: 6e11 }
    const failing = (reason: 'flow-dropped' | 'timeout') =>
      factOf({ ...failed({ from: 'node-1', to: 'node-2' }, reason), socket })
    expect(factOf({ socket, last: { ...last, detail: age }, loss, slow })).toMatchObject({ symptom: 'passes', socket })
    expect(failing('flow-dropped')).toMatchObject({ symptom: 'forgotten', socket })
    // What fails over a new flow as well is for other checks to show, and an attempt that opened one has tried no old one.
    expect(failing('timeout')).toBe(undefined)
    expect(factOf({ socket })).toBe(undefined)
  })

  test('count of a flow that was dropped only the attempts that found it so, not what failed otherwise before', () => {
    const series = failed({ from: 'node-1', to: 'node-2' }, 'flow-dropped')
    const at = (reason: 'flow-dropped' | 'timeout', agoMs: number) => {
      const { last: failure } = failed({ from: 'node-1', to: 'node-2' }, reason)
      return { ...(failure ?? last), startedAtMs: nowMs - agoMs }
    }
    const failures = [
      at('flow-dropped', 90_000),
      at('timeout', 30_000),
      at('flow-dropped', 20_000),
      at('flow-dropped', 10_000),
    ]
    const fact = factOf({ ...series, socket: 'kept', trials: 9, sinceMs: nowMs - 30_000, failures })
    expect(fact).toMatchObject({ symptom: 'forgotten', trials: 2, sinceMs: nowMs - 20_000 })
  })

  test('say nothing of failures in a row that are as likely as not at the loss of their link', () => {
    const silentAfter = (trials: number, ...shares: readonly number[]) => {
      const link = { from: 'node-1', to: 'node-2' }
      const lossy = shares.map((high, index) =>
        seriesOf({ ...link, last, check: `udp-${index}`, loss: { ...loss, high } }),
      )
      const { facts } = evidenceFrom([...lossy, { ...failed(link, 'timeout'), trials }])
      return facts.some(({ symptom }) => symptom === 'silent')
    }
    expect(silentAfter(2, 0.09, 0.09)).toBe(false)
    expect(silentAfter(3, 0.09, 0.09)).toBe(true)
    expect(silentAfter(9, 0.5, 0.6)).toBe(false)
    expect(silentAfter(10, 0.5, 0.6)).toBe(true)
    expect(silentAfter(20, 1, 1)).toBe(true)
    expect(silentAfter(2, 0.5), 'where only one check is lossy').toBe(true)
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
function findingsOf(isSlow: (from: string, to: string) => boolean, late = slow): readonly string[] {
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
            ...(isSlow(node, to) ? { slow: late } : {}),
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

describe('jitter', () => {
  test('is what late checks of a link have in common, if it is so for most of them', () => {
    const seriesNamed = (check: string, spread?: typeof varied.spread) =>
      seriesOf({ from: 'node-1', to: 'node-2', check, last, slow: { ...slow, spread } })
    const symptomsOf = (series: readonly SeriesReport[]) =>
      evidenceFrom(series)
        .facts.filter(({ to }) => to.name === 'node-2')
        .map(({ symptom }) => symptom)
    const { spread } = varied
    expect(symptomsOf([seriesNamed('tcp', spread), seriesNamed('icmp', spread), seriesNamed('udp')])).toEqual([
      'jittery',
      'jittery',
      'jittery',
    ])
    expect(symptomsOf([seriesNamed('tcp', spread), seriesNamed('icmp'), seriesNamed('udp')])).toEqual([
      'slow',
      'slow',
      'slow',
    ])
    expect(symptomsOf([seriesNamed('tcp', spread), seriesNamed('icmp')])).toEqual(['jittery', 'slow'])
  })

  test('of one IP version says nothing about the other', () => {
    const { facts } = evidenceFrom(
      (['ipv4', 'ipv6'] as const).flatMap((family) =>
        ['tcp', 'icmp', 'udp'].map((check) =>
          seriesOf({
            from: 'node-1',
            to: 'node-2',
            check,
            family,
            last,
            slow: { ...slow, spread: family === 'ipv4' || check === 'udp' ? varied.spread : undefined },
          }),
        ),
      ),
    )
    const shown = facts.filter(({ to }) => to.name === 'node-2').map(({ family, symptom }) => `${family} ${symptom}`)
    expect(new Set(shown)).toEqual(new Set(['ipv4 jittery', 'ipv6 slow']))
  })

  const varied = { ...slow, spread: { nowNs: 12_000_000, usualNs: 300_000 } }

  test('of one link is that of the link', () => {
    expect(findingsOf((from, to) => from === 'node-1' && to === 'node-2', varied)).toEqual(['jitter node-1 -> node-2'])
  })

  test('that most links between two zones share is no fault of links, though some detectors have not alarmed yet', () => {
    expect(
      findingsOf((from, to) => isAcross(from, to) && !(from === 'node-1' && ['node-2', 'node-4'].includes(to)), varied),
    ).toEqual(['jitter zone-0 <-> zone-1'])
  })
})

describe('facts about servers of cluster DNS', () => {
  const dns = { from: 'node-1', check: 'dns', protocol: 'dns', target: 'a@10.96.0.10', last } as const
  const podOf = (node: string, address: string) =>
    ({ ...dns, path: 'dns-pod', to: node, family: 'ipv4', target: `a@${address}:53` }) as const
  const answers = seriesOf({ ...podOf('node-2', '10.244.2.10'), succeededAtMs: nowMs - 1_000 })
  const address = seriesOf({ ...dns, path: 'dns-server' })
  const silent = failed(podOf('node-3', '10.244.3.10'), 'timeout')
  const ofPods = (series: readonly SeriesReport[]) =>
    evidenceFrom(series).facts.flatMap(({ path, to, server, symptom }) =>
      path === 'dns-pod' ? [`${to.kind} ${to.name}: ${server} ${symptom}`] : [],
    )

  test('are about the name server that stands for them, each with its address', () => {
    expect(ofPods([address, answers, silent])).toEqual([
      'name-server 10.96.0.10: 10.244.2.10:53 passes',
      'name-server 10.96.0.10: 10.244.3.10:53 silent',
    ])
  })

  test('are about the second name server where that is the one that answers', () => {
    const first = failed({ ...dns, path: 'dns-server', target: 'a@10.0.0.4' }, 'timeout')
    expect(ofPods([first, { ...address, path: 'dns-server-2' }, answers])).toEqual([
      'name-server 10.96.0.10: 10.244.2.10:53 passes',
    ])
  })

  test('name the one of two on a node that loses queries, whichever was asked last', () => {
    const { last: lost } = failed(podOf('node-3', '10.244.3.10'), 'timeout')
    if (lost === undefined) throw new Error('a failed series has a last result')
    const both = seriesOf({ ...podOf('node-3', '10.244.3.11'), succeededAtMs: nowMs - 1_000, loss, failures: [lost] })
    expect(ofPods([address, both])).toEqual(['name-server 10.96.0.10: 10.244.3.10:53 lossy'])
    const failing = { ...both, state: 'failing', loss: undefined, last: lost } as const
    expect(ofPods([address, failing])).toEqual(['name-server 10.96.0.10: 10.244.3.10:53 silent'])
  })

  test('are none where not one has ever answered, because a policy may admit only their address', () => {
    expect(ofPods([address, silent])).toEqual([])
  })

  test('are none where not one answers any more while their address does, because a new policy may do the same', () => {
    const before = { ...silent, succeededAtMs: nowMs - 600_000 }
    expect(ofPods([address, before])).toEqual([])
    expect(ofPods([failed({ ...dns, path: 'dns-server' }, 'timeout'), before])).toHaveLength(1)
  })

  test('are those of a node with two of which one fails, though no series passes', () => {
    expect(ofPods([address, { ...silent, succeededAtMs: nowMs - 1_000 }])).toEqual([
      'name-server 10.96.0.10: 10.244.3.10:53 silent',
    ])
  })
})

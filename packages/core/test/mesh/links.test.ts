import { describe, expect, test } from 'vitest'
import { meshOf } from '../../src/mesh/links.ts'
import { failed, nowMs, rowOf, seriesOf } from './rows.ts'

const answered = (node: string, series: Parameters<typeof rowOf>[1], more = {}) => ({
  node,
  received: { row: { ...rowOf(node, series), ...more }, receivedAtMs: nowMs },
})

describe('the mesh of several rows', () => {
  test('has every ordered pair of nodes with its state', () => {
    const { nodes, links } = meshOf([
      answered('node10', [seriesOf({ from: 'node10', to: 'node9' })]),
      answered('node9', [failed({ from: 'node9', to: 'node10' }, 'timeout')]),
      { node: 'node11' },
    ])
    expect(nodes).toEqual(['node9', 'node10', 'node11'])
    expect(links.map(({ from, to, state, checkCount }) => `${from} ${to} ${state} ${checkCount}`)).toEqual([
      'node9 node10 failing 1',
      'node9 node11 not probed 0',
      'node10 node9 ok 1',
      'node10 node11 not probed 0',
      'node11 node9 unknown 0',
      'node11 node10 unknown 0',
    ])
  })

  test('has a link between two agents on one node, whose failures count', () => {
    const { links } = meshOf([
      answered('a', [failed({ from: 'a', to: 'a' }, 'refused')]),
      answered('b', [seriesOf({ from: 'b', to: 'a' })]),
    ])
    expect(links.map(({ from, to, state }) => `${from} ${to} ${state}`)).toContain('a a failing')
    expect(links.map(({ from, to }) => `${from} ${to}`)).not.toContain('b b')
  })

  test('lists a check twice if it fails for different reasons over the families', () => {
    const { links } = meshOf([
      answered('a', [
        failed({ from: 'a', to: 'b', family: 'ipv4' }, 'refused'),
        failed({ from: 'a', to: 'b', family: 'ipv6' }, 'timeout'),
      ]),
      { node: 'b' },
    ])
    expect(links[0]?.failing.map(({ family, reason }) => [family, reason])).toEqual([
      ['ipv4', 'refused'],
      ['ipv6', 'timeout'],
    ])
  })

  test('lists a check once, with the earlier start, if it fails in the same way over both families', () => {
    const { links } = meshOf([
      answered('a', [
        failed({ from: 'a', to: 'b', family: 'ipv4', sinceMs: nowMs - 5_000 }, 'timeout'),
        failed({ from: 'a', to: 'b', family: 'ipv6', sinceMs: nowMs - 90_000 }, 'timeout'),
      ]),
      { node: 'b' },
    ])
    expect(links[0]?.failing).toMatchObject([{ sinceMs: nowMs - 90_000 }])
    expect(links[0]?.failing[0]).not.toHaveProperty('family')
  })

  test('converts times to the clock of the reader', () => {
    const aheadMs = 3_600_000
    const sinceMs = nowMs + aheadMs - 10_000
    const { links } = meshOf([
      answered('a', [failed({ from: 'a', to: 'b', sinceMs }, 'timeout')], { takenAtMs: nowMs + aheadMs }),
      { node: 'b' },
    ])
    expect(links[0]?.failing[0]?.sinceMs).toBe(nowMs - 10_000)
  })

  test('does not report a check as failing that agents are unable to run, and lists their nodes', () => {
    const unable = (from: string, to: string) => failed({ from, to, check: 'icmp', state: 'unable' }, 'not-permitted')
    const { links, inabilities } = meshOf([answered('a', [unable('a', 'b')]), answered('b', [unable('b', 'a')])])
    expect(links.map(({ state }) => state)).toEqual(['not probed', 'not probed'])
    expect(inabilities).toMatchObject([{ check: 'icmp', nodes: ['a', 'b'] }])
  })

  test('lists a check with its family if it fails over one and not over the other', () => {
    const failing = failed({ from: 'a', to: 'b', family: 'ipv6', sinceMs: nowMs - 5_000 }, 'timeout')
    const { links } = meshOf([
      answered('a', [seriesOf({ from: 'a', to: 'b', family: 'ipv4' }), failing]),
      { node: 'b' },
    ])
    expect(links[0]).toMatchObject({ state: 'failing', checkCount: 1 })
    expect(links[0]?.failing).toEqual([
      {
        check: 'tcp',
        family: 'ipv6',
        target: failing.target,
        reason: 'timeout',
        phase: 'connect',
        message: 'it ended as timeout',
        sinceMs: nowMs - 5_000,
      },
    ])
  })

  test('lists the checks of a link each on its own, and counts those with a known state', () => {
    const { links } = meshOf([
      answered('a', [
        failed({ from: 'a', to: 'b', check: 'udp' }, 'timeout'),
        failed({ from: 'a', to: 'b', check: 'tcp' }, 'timeout'),
        seriesOf({ from: 'a', to: 'b', check: 'http' }),
        failed({ from: 'a', to: 'b', check: 'icmp', state: 'unable' }, 'not-permitted'),
      ]),
      { node: 'b' },
    ])
    expect(links[0]?.failing.map(({ check }) => check)).toEqual(['udp', 'tcp'])
    expect(links[0]?.checkCount).toBe(3)
  })

  test('judges each check by its own series, whatever other checks do', () => {
    const over = (family: 'ipv4' | 'ipv6', check: string, sinceMs: number) =>
      failed({ from: 'a', to: 'b', family, check, sinceMs }, 'timeout')
    const { links } = meshOf([
      answered('a', [
        seriesOf({ from: 'a', to: 'b', family: 'ipv4', check: 'http' }),
        ...(['ipv4', 'ipv6'] as const).map((family) => over(family, 'udp', nowMs - 5_000)),
        ...(['ipv4', 'ipv6'] as const).map((family) => over(family, 'tcp', nowMs - 90_000)),
      ]),
      { node: 'b' },
    ])
    expect(links[0]?.failing.map(({ check, family, sinceMs }) => [check, family, sinceMs])).toEqual([
      ['udp', undefined, nowMs - 5_000],
      ['tcp', undefined, nowMs - 90_000],
    ])
  })

  test('does not take a check for failing over a family without a current result', () => {
    const last = failed({ from: 'a', to: 'b', family: 'ipv6' }, 'timeout')
    const { links } = meshOf([
      answered('a', [failed({ from: 'a', to: 'b', family: 'ipv4' }, 'timeout'), { ...last, state: 'waiting' }]),
      { node: 'b' },
    ])
    expect(links[0]?.failing.map(({ family }) => family)).toEqual(['ipv4'])
  })

  test.each([
    ['failing', ['waiting', 'ok', 'failing']],
    ['ok', ['waiting', 'ok']],
    ['waiting', ['waiting']],
  ] as const)('calls a link %s if its checks are %j', (state, states) => {
    const series = states.map((one) => seriesOf({ from: 'a', to: 'b', check: `is ${one}`, state: one }))
    expect(meshOf([answered('a', series), { node: 'b' }]).links[0]?.state).toBe(state)
  })

  test('says that the reason is unknown if an agent does not report the result', () => {
    const { links } = meshOf([answered('a', [seriesOf({ from: 'a', to: 'b', state: 'failing' })]), { node: 'b' }])
    expect(links[0]?.failing).toMatchObject([{ reason: 'failure', phase: 'setup', message: 'the reason is unknown' }])
  })

  test('takes the last result for no failure if it is a success', () => {
    const { last, ...series } = failed({ from: 'a', to: 'b' }, 'timeout')
    if (last?.ok !== false) throw new Error('the series has a failure')
    const { failure: _, ...measured } = last
    const { links } = meshOf([
      answered('a', [{ ...series, last: { ...measured, ok: true, detail: {} } }]),
      { node: 'b' },
    ])
    expect(links[0]?.failing).toMatchObject([{ reason: 'failure' }])
  })

  test('takes a failure without a known start to have begun when its row was taken', () => {
    const { sinceMs: _, ...series } = failed({ from: 'a', to: 'b' }, 'timeout')
    const { links } = meshOf([answered('a', [series], { takenAtMs: nowMs + 5_000 }), { node: 'b' }])
    expect(links[0]?.failing[0]?.sinceMs).toBe(nowMs)
  })

  test('has the checks of each node that do not target peers, apart from its links', () => {
    const { links, own, ownChecks } = meshOf([
      answered('a', [
        failed({ from: 'a', to: undefined, check: 'dns' }, 'timeout'),
        seriesOf({ from: 'a', to: undefined, check: 'dns' }),
        seriesOf({ from: 'a', to: 'b' }),
      ]),
      { node: 'b' },
    ])
    expect(links.map(({ from, to }) => `${from} ${to}`)).toEqual(['a b', 'b a'])
    expect(own.map(({ from, to, state }) => [from, to, state])).toEqual([
      ['a', undefined, 'failing'],
      ['b', undefined, 'unknown'],
    ])
    expect(ownChecks).toEqual(['dns'])
  })

  test('has no entry for such checks if no agent has one', () => {
    const { own, ownChecks } = meshOf([answered('a', [seriesOf({ from: 'a', to: 'b' })]), { node: 'b' }])
    expect({ own, ownChecks }).toEqual({ own: [], ownChecks: [] })
  })

  test('joins the rows of two agents on one node', () => {
    const { nodes, links } = meshOf([
      answered('a', [seriesOf({ from: 'a', to: 'b' })]),
      answered('a', [failed({ from: 'a', to: 'b', check: 'udp' }, 'timeout')]),
      { node: 'a' },
      { node: 'b' },
    ])
    expect(nodes).toEqual(['a', 'b'])
    expect(links[0]).toMatchObject({ state: 'failing', checkCount: 2 })
  })

  test('lists what agents are unable to run by check and cause, each node once', () => {
    const unable = (check: string, reason: 'not-permitted' | 'not-supported') => [
      failed({ from: 'a', to: 'b', check, state: 'unable' }, reason),
      failed({ from: 'a', to: 'c', check, state: 'unable' }, reason),
    ]
    const { inabilities } = meshOf([
      answered('a', [
        ...unable('icmp', 'not-permitted'),
        ...unable('syn', 'not-permitted'),
        seriesOf({ from: 'a', to: 'b' }),
      ]),
      answered('b', unable('icmp', 'not-supported')),
    ])
    expect(inabilities).toEqual([
      { check: 'icmp', message: 'it ended as not-permitted', nodes: ['a'] },
      { check: 'syn', message: 'it ended as not-permitted', nodes: ['a'] },
      { check: 'icmp', message: 'it ended as not-supported', nodes: ['b'] },
    ])
  })
})

import { describe, expect, test } from 'vitest'
import { failureGroups, failureSentence, nodesText } from '../../src/mesh/failures.ts'
import { type Link, meshOf } from '../../src/mesh/links.ts'
import type { SeriesReport } from '../../src/mesh/series-report.ts'
import { failed, nowMs, rowOf, seriesOf } from './rows.ts'

const nodes = ['a', 'b', 'c', 'd', 'e']

/** Returns the sentences about a mesh of five nodes in which these links fail. */
function sentences(isFailing: (from: string, to: string) => boolean, more: Partial<SeriesReport> = {}) {
  const rows = nodes.map((from) => {
    const others = nodes.filter((to) => to !== from)
    const series = others.map((to) =>
      isFailing(from, to) ? failed({ from, to, ...more }, 'timeout') : seriesOf({ from, to }),
    )
    return { node: from, received: { row: rowOf(from, series), receivedAtMs: nowMs } }
  })
  const groups = failureGroups(meshOf(rows).links)
  return groups.map((group) => failureSentence(group, nowMs))
}

describe('failures are reported', () => {
  test('link by link if few fail', () => {
    expect(sentences((from, to) => from === 'a' && to === 'b')).toEqual([
      'a -> b: tcp fails since 11:57:50 (2m10s): timeout in connect: it ended as timeout',
    ])
  })

  test('together if many links fail in the same way and share an end', () => {
    expect(sentences((from) => from === 'c')).toEqual([
      'c -> 4 nodes: tcp fails since 11:57:50 (2m10s): timeout in connect: it ended as timeout',
    ])
  })

  test('once for a link in both a failing row and a failing column', () => {
    const told = sentences((from, to) => from === 'a' || to === 'b')
    expect(told).toHaveLength(2)
    expect(told[0]).toMatch(/^(a -> 4 nodes|4 nodes -> b): /)
    expect(told[1]).toMatch(/^(c, d, e -> b|a -> c, d, e): /)
  })

  test('with the date if they began on another day, including the same day of another month', () => {
    const monthAgoMs = new Date(2025, 11, 2, 11, 0, 0).getTime()
    const [sentence] = sentences((from, to) => from === 'a' && to === 'b', { sinceMs: monthAgoMs })
    expect(sentence).toContain('since 2025-12-02 11:00:00')
  })
})

/** Returns the sentences about some links that fail. */
function told(links: readonly Partial<Link>[]) {
  const whole = links.map(
    (link) => ({ from: 'a', to: 'b', state: 'failing', checkCount: 3, failing: [], ...link }) as const,
  )
  return failureGroups(whole).map((group) => failureSentence(group, nowMs))
}

const failing = (check: string, more: Partial<Link['failing'][number]> = {}): Link['failing'][number] => ({
  check,
  target: '10.244.1.5:8081',
  reason: 'timeout',
  phase: 'echo',
  message: 'no answer',
  sinceMs: nowMs - 10_000,
  ...more,
})

const since = 'since 11:59:50 (10s)'

describe('a sentence about one link', () => {
  test.each([
    [['udp'], 'udp fails'],
    [['udp', 'tcp'], 'udp and tcp fail'],
    [['udp', 'tcp', 'syn'], 'every check fails'],
  ] as const)('names the checks that fail in the same way: %j', (checks, words) => {
    const sentence = `a -> b: ${words} ${since}: timeout in echo: no answer`
    expect(told([{ failing: checks.map((check) => failing(check)) }])).toEqual([sentence])
  })

  test('lists three of four checks', () => {
    const checks = ['udp', 'tcp', 'syn'].map((check) => failing(check))
    expect(told([{ checkCount: 4, failing: checks }])[0]).toContain(': udp, tcp and syn fail since')
  })

  test('names the check if it is the only one, and each once', () => {
    expect(told([{ checkCount: 1, failing: [failing('udp')] }])[0]).toContain(': udp fails since')
    const both = [failing('udp'), failing('udp', { target: '10.244.1.6:8081' })]
    expect(told([{ failing: both }])[0]).toContain(': udp fails since')
  })

  test('names the family, and is another for another family, phase or reason', () => {
    const failures = [
      failing('udp', { family: 'ipv6' }),
      failing('tcp', { family: 'ipv4' }),
      failing('http', { phase: 'server' }),
      failing('dns', { reason: 'refused' }),
    ]
    expect(told([{ checkCount: 9, failing: failures }])).toEqual([
      `a -> b: udp fails over IPv6 ${since}: timeout in echo: no answer`,
      `a -> b: tcp fails over IPv4 ${since}: timeout in echo: no answer`,
      `a -> b: http fails ${since}: timeout in server: no answer`,
      `a -> b: dns fails ${since}: refused in echo: no answer`,
    ])
  })

  test('has the start of the earliest of its failures', () => {
    const failures = [failing('udp', { sinceMs: nowMs - 60_000 }), failing('tcp', { sinceMs: nowMs - 3_600_000 })]
    expect(told([{ failing: failures }])[0]).toContain('since 11:00:00 (1h0m0s)')
  })

  test('leaves out the phase before the first packet, and the target of checks without a peer', () => {
    const [sentence] = told([{ to: undefined, failing: [failing('dns', { phase: 'setup' })] }])
    expect(sentence).toBe(`a: dns fails ${since}: timeout: no answer`)
  })

  test('rounds the age to seconds, and has none below zero for a clock that is ahead', () => {
    expect(told([{ failing: [failing('udp', { sinceMs: nowMs - 9_600 })] }])[0]).toContain('(10s)')
    expect(told([{ failing: [failing('udp', { sinceMs: nowMs + 9_000 })] }])[0]).toContain('(0s)')
  })

  test('has two digits for each part of date and time', () => {
    const sinceMs = new Date(2025, 8, 3, 4, 5, 6).getTime()
    expect(told([{ failing: [failing('udp', { sinceMs })] }])[0]).toContain('since 2025-09-03 04:05:06 (')
  })
})

describe('links whose failures are told together', () => {
  const from = (node: string, peers: readonly string[], more: Partial<Link['failing'][number]> = {}) =>
    peers.map((to) => ({ from: node, to, failing: [failing('udp', more)] }))

  test('are three or more', () => {
    expect(told(from('a', ['x', 'y', 'z']))).toEqual([`a -> x, y, z: udp fails ${since}: timeout in echo: no answer`])
    expect(told(from('a', ['x', 'y']))).toHaveLength(2)
  })

  test('share an end', () => {
    expect(told([...from('a', ['x']), ...from('b', ['y']), ...from('c', ['z'])])).toHaveLength(3)
    expect(told(['a', 'b', 'c'].flatMap((node) => from(node, ['x'])))[0]).toMatch(/^a, b, c -> x: /)
  })

  test.each([
    ['another check', { check: 'tcp' }],
    ['another family', { family: 'ipv6' as const }],
    ['another reason', { reason: 'refused' }],
    ['another phase', { phase: 'server' }],
  ])('do not include one with %s', (_, more) => {
    const links = [...from('a', ['w', 'x', 'y']), ...from('a', ['z'], more)]
    const sentences = told(links)
    expect(sentences).toHaveLength(2)
    expect(sentences[0]).toMatch(/^a -> w, x, y: /)
  })

  test('do not include one with other checks whose names read the same together', () => {
    const pair = { from: 'a', to: 'z', failing: [failing('u'), failing('dp')] }
    expect(told([...from('a', ['w', 'x', 'y']), pair])).toHaveLength(2)
  })

  test('do not include the checks of a node that have no peer', () => {
    const alone = { from: 'a', to: undefined, failing: [failing('udp')] }
    expect(told([...from('a', ['x', 'y']), alone])).toHaveLength(3)
  })

  test('come first, the largest group before the others, and start with the earliest', () => {
    const links = [
      ...from('s', ['t']),
      ...from('a', ['u', 'v', 'w']),
      ...from('b', ['k', 'l', 'm', 'n', 'o'], { sinceMs: nowMs - 20_000 }),
      ...from('b', ['p'], { sinceMs: nowMs - 60_000 }),
    ]
    expect(told(links).map((sentence) => sentence.replace(/: timeout.*/, ''))).toEqual([
      'b -> 6 nodes: udp fails since 11:59:00 (1m0s)',
      `a -> u, v, w: udp fails ${since}`,
      `s -> t: udp fails ${since}`,
    ])
  })

  test('leave those to their own sentences that are too few after others took their part', () => {
    // The column of x has three links, of which the row of a takes one.
    const links = [...from('a', ['w', 'x', 'y', 'z']), ...from('b', ['x']), ...from('c', ['x'])]
    expect(told(links).map((sentence) => sentence.replace(/:.*/, ''))).toEqual(['a -> 4 nodes', 'b -> x', 'c -> x'])
  })
})

test('more than three nodes are a number, and each node counts once', () => {
  expect(nodesText(['a', 'b', 'a', 'c'])).toBe('a, b, c')
  expect(nodesText(['a', 'b', 'c', 'd', 'd'])).toBe('4 nodes')
})

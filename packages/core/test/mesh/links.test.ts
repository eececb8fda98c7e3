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
    expect(links.map(({ from, to, state }) => `${from} ${to} ${state}`)).toEqual([
      'node9 node10 failing',
      'node9 node11 not probed',
      'node10 node9 ok',
      'node10 node11 not probed',
      'node11 node9 unknown',
      'node11 node10 unknown',
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
})

import { type Aspect, Fact, type Known } from '@scout/core'
import { expect, test } from 'vitest'
import { createTimeline } from '../../src/diagnosis/timeline.ts'

const node = (name: string, hasRow = true) => ({ name, zone: 'zone-a', hasRow })

function factOf(parts: Partial<Aspect & Known> = {}): Fact {
  const all = {
    check: 'tcp',
    protocol: 'tcp',
    path: 'pod',
    vantage: 'pod',
    from: 'node-1',
    to: { kind: 'node', name: 'node-2' } as const,
    target: '10.0.0.2:8081',
    symptom: 'silent' as const,
    sinceMs: 1_000,
    trials: 1,
    lastMs: 1_000,
    ...parts,
  }
  return new Fact(all, all)
}

test('knows what failed at any moment of its span, from when it began until it was seen to pass', () => {
  const timeline = createTimeline()
  const at = (atMs: number, ...facts: readonly Fact[]) => timeline.note({ atMs, facts, nodes: [node('node-1')] })
  expect([timeline.span, timeline.at(1)]).toEqual([undefined, undefined])
  at(10_000)
  at(20_000, factOf({ sinceMs: 15_000 }))
  at(30_000, factOf({ sinceMs: 15_000, trials: 7 }))
  at(40_000)
  at(50_000)
  const failing = (atMs: number) => timeline.at(atMs)?.facts.length
  expect([9_999, 10_000, 14_999, 15_000, 39_999, 40_000, 55_000].map(failing)).toEqual([undefined, 0, 0, 1, 1, 0, 0])
  expect([timeline.span, timeline.changes]).toEqual([{ fromMs: 10_000, toMs: 50_000 }, 3])
})

test('tells apart what fails in another way, and which agents there were', () => {
  const timeline = createTimeline()
  timeline.note({ atMs: 10_000, facts: [factOf()], nodes: [node('node-1'), node('node-2')] })
  timeline.note({
    atMs: 20_000,
    facts: [factOf({ symptom: 'refused', sinceMs: 20_000 })],
    nodes: [node('node-1'), node('node-2', false)],
  })
  timeline.note({ atMs: 30_000, facts: [], nodes: [node('node-1')] })
  const at = (atMs: number) => {
    const { facts = [], nodes = [] } = timeline.at(atMs) ?? {}
    return [facts.map(({ symptom }) => symptom), nodes.map(({ name, hasRow }) => `${name} ${hasRow}`).toSorted()]
  }
  expect(at(10_000)).toEqual([['silent'], ['node-1 true', 'node-2 true']])
  expect(at(20_000)).toEqual([['refused'], ['node-1 true', 'node-2 false']])
  expect(at(30_000)).toEqual([[], ['node-1 true']])
})

test('does not change while the same goes on', () => {
  const timeline = createTimeline()
  for (let atMs = 0; atMs < 100_000; atMs += 10_000)
    timeline.note({ atMs, facts: [factOf({ trials: atMs })], nodes: [node('node-1')] })
  expect(timeline.changes).toBe(1)
})

test('begins again after a gap, or when the clock was set back', () => {
  const timeline = createTimeline()
  const note = (atMs: number) => timeline.note({ atMs, facts: [factOf({ sinceMs: atMs })], nodes: [node('node-1')] })
  note(1_000_000)
  note(1_120_001)
  expect([timeline.span, timeline.at(1_000_000)]).toEqual([{ fromMs: 1_120_001, toMs: 1_120_001 }, undefined])
  note(1_000)
  expect([timeline.span, timeline.at(1_120_001)]).toEqual([{ fromMs: 1_000, toMs: 1_000 }, undefined])
})

test('remembers once what lasts over times in which this agent did not watch', () => {
  const timeline = createTimeline()
  const note = (atMs: number) => timeline.note({ atMs, facts: [factOf({ sinceMs: 9_000 })], nodes: [node('node-1')] })
  for (const fromMs of [10_000, 20_000, 30_000]) {
    note(fromMs)
    note(fromMs + 5_000)
    timeline.pause()
  }
  const failing = [12_000, 17_000, 22_000, 32_000].map((atMs) => timeline.at(atMs)?.facts.length)
  expect(failing).toEqual([1, undefined, 1, 1])
})

test('knows nothing of a time in which this agent did not watch, so that another watcher is asked', () => {
  const timeline = createTimeline()
  const note = (atMs: number, ...nodes: readonly string[]) =>
    timeline.note({ atMs, facts: [], nodes: nodes.map((name) => node(name)) })
  timeline.pause()
  note(10_000, 'node-1')
  note(20_000, 'node-1', 'node-2')
  timeline.pause()
  note(60_000, 'node-1', 'node-2', 'node-3')
  const namesAt = (atMs: number) => timeline.at(atMs)?.nodes.map(({ name }) => name)
  expect([10_000, 20_000, 59_999, 60_000].map(namesAt)).toEqual([
    ['node-1'],
    undefined,
    undefined,
    ['node-1', 'node-2', 'node-3'],
  ])
})

test('forgets what ended a day ago', () => {
  const timeline = createTimeline()
  timeline.note({ atMs: 0, facts: [factOf({ sinceMs: 0 })], nodes: [node('node-1')] })
  timeline.note({ atMs: 20_000, facts: [], nodes: [node('node-1')] })
  expect(timeline.at(15_000)?.facts).toHaveLength(1)
  for (let atMs = 20_000; atMs < 86_500_000; atMs += 100_000)
    timeline.note({ atMs, facts: [], nodes: [node('node-1')] })
  expect(timeline.span?.fromMs).toBeGreaterThan(15_000)
  expect(timeline.at(15_000)).toBeUndefined()
})

test('a node on which ever more begins and ends loses its own oldest episodes, and no other node any', () => {
  const timeline = createTimeline()
  const nodes = [node('noisy'), node('node-1'), node('node-2')]
  const few = ['node-1', 'node-2'].flatMap((from) => [
    factOf({ from, sinceMs: 0 }),
    factOf({ from, sinceMs: 0, check: 'udp' }),
  ])
  const many = (round: number) =>
    Array.from({ length: 4_000 }, (_, index) =>
      factOf({ from: 'noisy', sinceMs: round * 10_000, check: `${round}-${index}` }),
    )
  timeline.note({ atMs: 0, facts: few, nodes })
  for (let round = 1; round <= 10; round++) timeline.note({ atMs: round * 10_000, facts: many(round), nodes })
  timeline.note({ atMs: 110_000, facts: [], nodes })
  const factsOf = (name: string, atMs: number) => timeline.at(atMs)?.facts.filter(({ from }) => from === name).length
  const withRow = (atMs: number) => timeline.at(atMs)?.nodes.flatMap(({ name, hasRow }) => (hasRow ? [name] : []))
  expect(timeline.span?.fromMs).toBe(0)
  expect([factsOf('node-1', 5_000), factsOf('node-2', 5_000)]).toEqual([2, 2])
  expect([10_000, 80_000, 90_000, 100_000].map((atMs) => factsOf('noisy', atMs))).toEqual([0, 1_996, 4_000, 4_000])
  // What it saw before that is unknown, and not healthy.
  expect([5_000, 89_999, 90_000].map(withRow)).toEqual([
    ['node-1', 'node-2'],
    ['node-1', 'node-2'],
    ['noisy', 'node-1', 'node-2'],
  ])
})

test('nodes with as many episodes lose as many', () => {
  const timeline = createTimeline()
  const names = ['node-1', 'node-2', 'node-3']
  for (let round = 0; round < 5; round++) {
    const facts = names.flatMap((from) =>
      Array.from({ length: 1_500 }, (_, index) =>
        factOf({ from, check: `${round}-${index}`, sinceMs: round * 10_000 }),
      ),
    )
    timeline.note({ atMs: round * 10_000, facts, nodes: [node('node-1')] })
  }
  timeline.note({ atMs: 50_000, facts: [], nodes: [node('node-1')] })
  const counts = (atMs: number) =>
    names.map((name) => timeline.at(atMs)?.facts.filter(({ from }) => from === name).length)
  expect([10_000, 20_000, 30_000].map(counts)).toEqual([
    [0, 0, 0],
    [333, 333, 333],
    [1_500, 1_500, 1_500],
  ])
})

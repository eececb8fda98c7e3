import { fileURLToPath } from 'node:url'
import type { Incident, Scope } from '@scout/core'
import { buildTopology, faults, findFault, type LabSpecInput, planFault, specFor } from '@scout/lab'
import { describe, expect, test } from 'vitest'
import { labNeeds } from '../lab/test/support/namespaces.ts'
import { printedBy } from '../support/program.ts'
import { testWith } from '../support/requirements.ts'
import { expectations, groups } from './expectations.mjs'
import { calibrationErrorOf, proportion } from './score.mjs'
import { answersOf } from './trial.mjs'

const program = fileURLToPath(new URL('main.mjs', import.meta.url))

testWith(...labNeeds)(
  'agents name faults and are silent about what harms nobody: npm run scoreboard has them all',
  { timeout: 240_000 },
  async () => {
    expect(await printedBy(program, ['--quick'])).toContain('trials: 6')
  },
)

describe('expectations', () => {
  test('have every fault of the catalogue, each with a unique name', () => {
    const names = expectations.map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
    const tried = groups['catalogue']?.flatMap(({ faults }) => faults.map(({ fault }) => fault))
    expect(new Set(tried)).toEqual(new Set(faults.map(({ name }) => name)))
  })

  test('have parameters that the lab accepts, and scopes that it contains', () => {
    for (const { faults, leastNodes = 3 } of expectations) {
      const needed = faults.map(({ fault }) => specFor(findFault(fault)))
      const spec: LabSpecInput = Object.assign({ nodes: Math.max(3, leastNodes) }, ...needed, { zones: 2 })
      const topology = buildTopology(spec)
      const places = [...topology.nodes, ...topology.zones].map(({ name }) => name)
      for (const { fault, parameters, expects } of faults) {
        expect(() => planFault(topology, [fault, parameters])).not.toThrow()
        if (expects === 'silent') continue
        const { kind, ...where } = expects.scope
        if (kind === 'name-server' || kind === 'service') continue
        const named = Object.entries(where).flatMap(([key, value]): readonly string[] => (key === 'side' ? [] : value))
        for (const place of named) expect(places).toContain(place)
      }
    }
  })
})

test('a proportion of few trials has wide bounds', () => {
  // Newcombe, "Two-sided confidence intervals for the single proportion" (1998), table I, method 3: 15 of 148, and 0 of 20.
  const some = proportion(15, 148)
  expect(some.low).toBeCloseTo(0.0624, 4)
  expect(some.high).toBeCloseTo(0.1605, 4)
  expect(proportion(0, 20).high).toBeCloseTo(0.1611, 4)
})

test('the calibration error is by how much confidence and the share of right names differ', () => {
  const claim = (confidence: number, isRight: boolean) => ({ confidence, isRight })
  expect(calibrationErrorOf([claim(1, true), claim(1, true)])).toBe(0)
  expect(calibrationErrorOf([claim(1, true), claim(1, false)])).toBeCloseTo(0.5)
  // A bucket counts by its names: three of them are right by 0.1 too seldom, one always instead of half of the time.
  const sure = [claim(0.9, true), claim(0.9, true), claim(0.9, true)]
  expect(calibrationErrorOf([...sure, claim(0.6, true)])).toBeCloseTo((3 * 0.1 + 0.4) / 4)
})

describe('of several faults', () => {
  const node = expectedOf('node-down', { kind: 'node', node: 'node2' })
  const link = expectedOf('packet-loss', { kind: 'link', from: 'node1', to: 'node3' })

  test('each has its own incident, whatever their order is', () => {
    const other = { ...link, scope: { kind: 'link', from: 'node2', to: 'node3' } as const }
    const { answers, extras } = answersOf([incidentOf(other), incidentOf(link)], [link, other])
    expect(answers.map(({ verdict, named }) => [verdict, named?.scope])).toEqual([
      ['right', link.scope],
      ['right', other.scope],
    ])
    expect(extras).toEqual([])
  })

  test('one is missed though the other has its name', () => {
    const { answers } = answersOf([incidentOf(link)], [node, link])
    expect(answers.map(({ verdict }) => verdict)).toEqual(['missed', 'right'])
  })

  test('a name at another place is misplaced, and a further one is extra', () => {
    const elsewhere = { ...incidentOf(link), scope: { kind: 'link', from: 'node1', to: 'node2' } as const }
    const further = { ...incidentOf(node), cause: 'mtu-black-hole' }
    const { answers, extras } = answersOf([further, elsewhere, incidentOf(node)], [node, link])
    expect(answers.map(({ verdict }) => verdict)).toEqual(['right', 'misplaced'])
    expect(extras).toEqual([further])
  })

  test('nothing is silence only where nothing is expected', () => {
    expect(answersOf([], []).answers).toEqual([{ expected: undefined, named: undefined, verdict: 'silent' }])
    expect(answersOf([incidentOf(node)], []).answers.map(({ verdict }) => verdict)).toEqual(['false alarm'])
  })
})

function expectedOf(cause: string, scope: Scope) {
  return { causes: [cause], scope, directions: ['both'] as const }
}

function incidentOf({ causes: [cause = ''], scope }: ReturnType<typeof expectedOf>): Incident {
  return {
    id: `${cause} ${JSON.stringify(scope)}`,
    cause,
    scope,
    direction: 'both',
    state: 'open',
    severity: 'critical',
    confidence: 1,
    openedAtMs: 0,
    summary: '',
    evidence: [],
    ruledOut: [],
    rivals: [],
    weights: [],
    next: '',
  }
}

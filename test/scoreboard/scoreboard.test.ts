import { fileURLToPath } from 'node:url'
import { buildTopology, faults, findFault, type LabSpecInput, planFault, specFor } from '@scout/lab'
import { describe, expect, test } from 'vitest'
import { labNeeds } from '../lab/test/support/namespaces.ts'
import { printedBy } from '../support/program.ts'
import { testWith } from '../support/requirements.ts'
import { expectations } from './expectations.mjs'
import { proportion } from './score.mjs'

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
    expect(new Set(expectations.map(({ fault }) => fault))).toEqual(new Set(faults.map(({ name }) => name)))
  })

  test('have parameters that the lab accepts, and scopes that it contains', () => {
    for (const { fault, parameters, leastNodes = 3, expects } of expectations) {
      const spec: LabSpecInput = { nodes: leastNodes, zones: 2, ...specFor(findFault(fault)) }
      const topology = buildTopology({ ...spec, zones: 2 })
      expect(() => planFault(topology, [fault, parameters])).not.toThrow()
      if (expects === 'silent') continue
      const places = [...topology.nodes, ...topology.zones].map(({ name }) => name)
      const { kind, ...where } = expects.scope
      if (kind === 'name-server' || kind === 'service') continue
      const named = Object.entries(where).flatMap(([key, value]): readonly string[] => (key === 'side' ? [] : value))
      for (const place of named) expect(places).toContain(place)
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

import { expect, test } from 'vitest'
import { explain } from '../../src/diagnose/explain/explain.ts'
import { incidentsOf } from '../../src/diagnose/incidents.ts'
import { isBetween, worldOf } from './world.ts'

test('two causes that begin together at one place are two incidents, whose ids do not depend on their order', () => {
  const evidence = worldOf([(fact) => (isBetween(fact, 'node1', 'node2') ? 'silent' : undefined)])
  const findings = explain(evidence).flatMap((finding) => [finding, { ...finding, cause: 'tcp-reset' }])
  const idsOf = (order: typeof findings) =>
    incidentsOf(order, evidence)
      .map(({ cause, id }) => `${cause} ${id}`)
      .toSorted()
  expect(new Set(incidentsOf(findings, evidence).map(({ id }) => id)).size).toBe(2)
  expect(idsOf(findings.toReversed())).toEqual(idsOf(findings))
})

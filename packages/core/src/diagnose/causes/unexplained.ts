import { type Cause, type Selector, surely } from '../cause.ts'
import { aspectIdOf, type Fact, type Symptom, symptoms } from '../evidence.ts'
import { listed } from '../explain/words.ts'
import { repeated } from './parts.ts'

/** Failures of what arrives or not, and all others: each is as likely as one in ten. */
const commonSymptoms: readonly Symptom[] = [
  'silent',
  'refused',
  'reset',
  'unreachable',
  'prohibited',
  'wrong',
  'lossy',
  'slow',
  'too-big',
  'denied-here',
]
const otherSymptoms = symptoms.filter((symptom) => symptom !== 'passes' && !commonSymptoms.includes(symptom))

/** The rival of all others: whatever fails, fails for a reason that is in no table. */
export const unexplained: Cause = {
  name: 'unexplained',
  scopes: ['link', 'node-side', 'node', 'zone-pair', 'node-group', 'name-server', 'service', 'cluster'],
  proofs: ['trace', 'train'],
  severity: 'warning',
  rarity: 3,
  because: 'the cause is unknown',
  means: 'Something fails in a way that fits no known cause.',
  shows: 'A pattern of failures that contradicts every other table, or that they explain no better than chance.',
  usually: ['several faults at once on the same link', 'a cause that Scout does not know yet'],
  remedy: 'The evidence lists what fails and what passes. Please report it with scout-probe mesh --json.',
  variants(failing) {
    const aspects = new Map(failing.map((fact) => [aspectIdOf(fact), fact]))
    const lines = [commonSymptoms, otherSymptoms].flatMap((shown) => {
      const facts = [...aspects.values()].filter(({ symptom }) => shown.includes(symptom))
      return facts.length === 0 ? [] : [surely(oneOf(facts), ...shown)]
    })
    return aspects.size === 0 ? [] : [{ id: [...aspects.keys()].toSorted().join(), lines }]
  },
  says: ({ where, failing }) =>
    `${listed([...new Set(failing.map(({ check }) => check))])} ${failing.length === 1 ? 'fails' : 'fail'} in a way that fits no known cause: ${where}`,
  next: (said) => repeated(said),
}

/** Agents may report thousands of aspects of one check, so that comparing each with each takes too long. */
function oneOf(facts: readonly Fact[]): Selector {
  const checks = new Set(facts.map(({ check }) => check))
  const ids = new Set(facts.map(aspectIdOf))
  return (aspect) => checks.has(aspect.check) && ids.has(aspectIdOf(aspect))
}

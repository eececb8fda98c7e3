import { askables } from '../../src/diagnose/aspects.ts'
import type { Cause, Variant } from '../../src/diagnose/cause.ts'
import { type Aspect, Fact, type Symptom, symptoms } from '../../src/diagnose/evidence.ts'
import { weightOf } from '../../src/diagnose/explain/vectors.ts'

const known = new Map<Cause, readonly Variant[]>()

/** Returns every form of a cause that a single failure brings up and that explains it. */
export function variantsOf(cause: Cause): readonly Variant[] {
  const variants = known.get(cause) ?? allOf(cause)
  known.set(cause, variants)
  return variants
}

function allOf(cause: Cause): readonly Variant[] {
  const found = new Map<string, Variant>()
  for (const { aspect } of askables()) {
    for (const symptom of symptoms.filter((one) => one !== 'passes')) {
      const fact = factOf(aspect, symptom)
      for (const variant of cause.variants([fact])) {
        const id = `${variant.id} ${variant.lines.map(({ shows }) => shows.join('|')).join()}`
        if (weightOf(variant, { fact, isWeak: false }).explains) found.set(id, variant)
      }
    }
  }
  return [...found.values()]
}

/** Returns a fact about this aspect between two nodes, or a node and a server. */
export function factOf(aspect: Aspect, symptom: Symptom): Fact {
  return new Fact(aspect, {
    from: 'node1',
    to: aspect.protocol === 'dns' ? { kind: 'name-server', name: '10.96.0.10' } : { kind: 'node', name: 'node2' },
    target: 'node2:8081',
    symptom,
    sinceMs: 0,
    trials: 10,
    lastMs: 60_000,
  })
}

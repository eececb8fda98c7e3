import { groupBy } from '../../model/group-by.ts'
import { isSmall, isTranslated } from '../cause.ts'
import { type Fact, oneEventMs } from '../evidence.ts'
import { isFailing, type LinkFacts } from './links.ts'

/*
 * A name server or service is in pods of some nodes. If a node's packets to one of those no longer arrive, its lookups fail, too, and that is
 * no second fault. Where the pods are is not known. It suffices that the same kind of packet fails from this node to another one since then.
 */

/** Returns failures that others carry with them: each failed lookup or request to a service, with the failures between pods that may be why. */
export function dependentsOf(links: readonly LinkFacts[]): ReadonlyMap<Fact, readonly Fact[]> {
  const failing = failuresOf(links)
  const carried = failing.filter(isTranslated)
  if (carried.length === 0) return new Map()
  const senders = new Set(carried.map(({ from }) => from))
  const carriers = failing.filter((fact) => fact.path === 'pod' && senders.has(fact.from) && isSmall(fact))
  const bySender = new Map(groupBy(carriers, ({ from }) => from).map((group) => [group[0]?.from, group]))
  return new Map(
    carried.flatMap((fact) => {
      const carrying = (bySender.get(fact.from) ?? []).filter((carrier) => isCarriedBy(fact, carrier))
      return carrying.length === 0 ? [] : [[fact, carrying] as const]
    }),
  )
}

function failuresOf(links: readonly LinkFacts[]): readonly Fact[] {
  return links.filter(isFailing).flatMap(({ facts }) => facts.filter(({ symptom }) => symptom !== 'passes'))
}

function isCarriedBy(fact: Fact, carrier: Fact): boolean {
  return (
    // Of several pods behind one address, some are still reached.
    (carrier.symptom === fact.symptom || (fact.symptom === 'lossy' && carrier.symptom !== 'slow')) &&
    (fact.family === undefined || carrier.family === fact.family) &&
    carrier.protocol === (fact.protocol === 'dns' ? 'udp' : fact.protocol) &&
    Math.abs(carrier.sinceMs - fact.sinceMs) <= oneEventMs
  )
}

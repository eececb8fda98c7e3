import { groupBy } from '../../model/group-by.ts'
import { either, isDns, isDnsOverTcp, isSmall, isTcp, isTranslated } from '../cause.ts'
import { type Fact, oneEventMs, type Symptom } from '../evidence.ts'
import { isFailing, type LinkFacts } from './links.ts'

/*
 * A name server or service is in pods of some nodes. If a node's packets to one of those no longer arrive, its lookups fail, too, and that is
 * no second fault. Where the pods are is not known. It suffices that the same kind of packet fails from this node to another one since then.
 */

/** Returns failures that others carry with them: each failed lookup or request to a service, with the failures between pods that may be why. */
export function dependentsOf(links: readonly LinkFacts[]): ReadonlyMap<Fact, readonly Fact[]> {
  const failing = links.filter(isFailing)
  // Most links share a vector with others.
  const served = new Set([...new Set(failing.map(({ vector }) => vector))].filter((one) => one.failing.some(isServed)))
  const carried = failing
    .filter(({ vector }) => served.has(vector))
    .flatMap(({ facts }) => facts.filter((fact) => hasFailed(fact) && isServed(fact)))
  if (carried.length === 0) return new Map()
  const senders = new Set(carried.map(({ from }) => from))
  const carriers = failing
    .filter(({ from }) => senders.has(from))
    .flatMap(({ facts }) => facts.filter((fact) => hasFailed(fact) && fact.path === 'pod' && isSmall(fact)))
  const bySender = new Map(groupBy(carriers, ({ from }) => from).map((group) => [group[0]?.from, group]))
  return new Map(
    carried.flatMap((fact) => {
      const carrying = (bySender.get(fact.from) ?? []).filter((carrier) => isCarriedBy(fact, carrier))
      return carrying.length === 0 ? [] : [[fact, carrying] as const]
    }),
  )
}

/** What pods answer whose nodes are not known. */
const isServed = either(isTranslated, isDns)

/** Of packets that arrive all the same. */
const arriving: ReadonlySet<Symptom> = new Set(['slow', 'jittery', 'duplicated'])

function hasFailed({ symptom }: Fact): boolean {
  return symptom !== 'passes'
}

function isCarriedBy(fact: Fact, carrier: Fact): boolean {
  return (
    // Of several pods behind one address, some are still reached.
    (carrier.symptom === fact.symptom || (fact.symptom === 'lossy' && !arriving.has(carrier.symptom))) &&
    (fact.family === undefined || carrier.family === fact.family) &&
    isCarrier(fact, carrier) &&
    Math.abs(carrier.sinceMs - fact.sinceMs) <= oneEventMs
  )
}

function isCarrier(fact: Fact, carrier: Fact): boolean {
  if (isDnsOverTcp(fact)) return isTcp(carrier)
  return carrier.protocol === (fact.protocol === 'dns' ? 'udp' : fact.protocol)
}

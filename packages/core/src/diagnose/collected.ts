import { type Evidence, Fact, factLinkIdOf, harmless, ofSome } from './evidence.ts'
import { overText } from './explain/words.ts'
import { isProofName, proofs } from './proofs/index.ts'
import { type Collected, proofAspect } from './proofs/proof.ts'

/*
 * What agents have collected is of one moment. It counts for as long as something on its link fails since before that moment and something
 * else still arrives, and so ends with the trouble that it is about. It is never the only evidence of a finding.
 */

/** Returns evidence with what was collected as further facts, and without what no longer counts. */
export function withCollected(evidence: Evidence): Evidence {
  const { facts } = evidence
  const collected = newestOf(evidence.collected ?? [])
  if (collected.length === 0) return evidence
  const troubles = new Map<string, Fact[]>(collected.map((one) => [linkIdOf(one), []]))
  for (const fact of facts) troubles.get(factLinkIdOf(fact))?.push(fact)
  const current = collected.flatMap((one) => {
    const trouble = troubleOf(one, troubles.get(linkIdOf(one)) ?? [])
    return trouble === undefined ? [] : [{ one, trouble }]
  })
  return {
    ...evidence,
    facts: [...facts, ...current.flatMap(({ one, trouble }) => factOf(one, trouble) ?? [])],
    collected: current.map(({ one }) => one),
  }
}

/** Returns what was collected last by each proof on each link, in the order of their names: two incidents of one link are about the same. */
function newestOf(collected: readonly Collected[]): readonly Collected[] {
  const newest = new Map<string, Collected>()
  for (const one of collected) {
    const id = JSON.stringify([one.from, one.to, one.proof, one.family])
    if ((newest.get(id)?.atMs ?? Number.NEGATIVE_INFINITY) < one.atMs) newest.set(id, one)
  }
  return [...newest].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one)
}

/** Returns the id of the link that it is about, as that of its facts. */
function linkIdOf({ from, to }: Pick<Collected, 'from' | 'to'>): string {
  return factLinkIdOf({ from, to: { kind: 'node', name: to } })
}

/** Returns the first failure of the trouble that it is about; undefined if that is over. */
function troubleOf({ atMs }: Collected, facts: readonly Fact[]): Fact | undefined {
  const failing = facts.filter(({ symptom, sinceMs }) => !harmless.has(symptom) && sinceMs <= atMs)
  const isReached = facts.some(({ symptom }) => symptom === 'passes' || ofSome.has(symptom))
  return isReached ? failing.toSorted((a, b) => a.sinceMs - b.sinceMs)[0] : undefined
}

function factOf({ proof, family, shows, packets, atMs }: Collected, trouble: Fact): Fact | undefined {
  // A newer agent may have proofs that this version does not know.
  const subject = isProofName(proof) ? proofs[proof].subject : undefined
  if (subject === undefined || shows === undefined) return undefined
  const { from, to, target, sinceMs } = trouble
  return new Fact(proofAspect(subject, family), {
    from,
    to,
    target,
    symptom: shows,
    sinceMs: shows === 'passes' ? atMs : sinceMs,
    trials: packets,
    lastMs: atMs,
  })
}

/** Lines of one finding: further links show the same. */
const mostLines = 8

/** Returns what was collected about the links of these failures, and a clause for each. */
export function collectedAbout(
  { collected = [] }: Evidence,
  failing: readonly Fact[],
): { readonly collected: readonly Collected[]; readonly clauses: readonly string[] } {
  const links = new Set(collected.length === 0 ? [] : failing.map(factLinkIdOf))
  const about = collected.filter((one) => links.has(linkIdOf(one)))
  return {
    collected: about,
    clauses: about
      .slice(0, mostLines)
      .map(({ proof, from, to, family, says }) => `${proof} from ${from} to ${to}${overText(family)}: ${says}`),
  }
}

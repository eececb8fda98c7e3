import { groupBy } from '../model/group-by.ts'
import { changedFact, type Fact, oneEventMs, type Symptom } from './evidence.ts'
import { isLate } from './symptom-of.ts'

/** Pairs of nodes from which a majority says something. */
const leastPairs = 4

/**
 * Removes what would make a common shift of latency look like faults of single links. Where most links between two zones became slower
 * within a minute, the others of them are no evidence that they did not: detectors alarm at different times. So the shift is found
 * for all of them together, as one of the zones or of the cluster.
 */
export function withoutStragglers(facts: readonly Fact[], zones: ReadonlyMap<string, string>): readonly Fact[] {
  if (!facts.some(isLate)) return facts
  const between = facts.filter(({ to }) => to.kind === 'node')
  const stragglers = new Set<Fact>()
  for (const siblings of groupBy(between, (fact) => groupOf(fact, zones))) {
    if (!isShifted(siblings)) continue
    for (const fact of siblings) if (fact.symptom === 'passes') stragglers.add(fact)
  }
  return stragglers.size === 0 ? facts : facts.filter((fact) => !stragglers.has(fact))
}

/**
 * Shows late checks of two nodes over one IP version as most of them are, if most are: jittery or slow. They share a path, and those that report
 * the median of several packets vary less.
 */
export function withCommonSpread(facts: readonly Fact[]): readonly Fact[] {
  if (!facts.some(({ symptom }) => symptom === 'jittery')) return facts
  const late = facts.filter((fact) => fact.path === 'pod' && isLate(fact))
  const changed = new Map(groupBy(late, (fact) => `${pairIdOf(fact)} ${fact.family ?? ''}`).flatMap(alike))
  return facts.map((fact) => changed.get(fact) ?? fact)
}

/** Returns those of some late checks that are not as most are, each with what it is shown as. How much its times vary is not known. */
function alike(late: readonly Fact[]): readonly (readonly [Fact, Fact])[] {
  const symptom = (['jittery', 'slow'] as const).find(
    (one) => late.filter((fact) => fact.symptom === one).length * 2 > late.length,
  )
  if (symptom === undefined) return []
  return late
    .filter((fact) => fact.symptom !== symptom)
    .map((fact) => [fact, changedFact(fact, { symptom, spread: undefined })] as const)
}

/** How unlikely failures in a row must be at the loss of their link, and the highest loss that is assumed, so that they are no chance. */
const chance = 0.001
const highestLoss = 0.7

/**
 * Removes failures that say nothing beside the loss of their link: of so many attempts, some fail several times in a row. It takes two lossy
 * checks, because that of one may be its own.
 */
export function withoutChance(facts: readonly Fact[]): readonly Fact[] {
  const byLink = new Map(
    groupBy(
      facts.filter(({ loss }) => loss !== undefined),
      lossIdOf,
    ).map((lossy) => [lossy[0] === undefined ? '' : lossIdOf(lossy[0]), secondLossOf(lossy)]),
  )
  if (byLink.size === 0) return facts
  const isOfChance = ({ symptom }: Fact) => symptom === 'silent' || symptom === 'forgotten'
  return facts.filter((fact) => !isOfChance(fact) || (byLink.get(lossIdOf(fact)) ?? 0) ** fact.trials < chance)
}

const rejections: ReadonlySet<Symptom> = new Set(['refused', 'prohibited'])

/**
 * Shows as rejected what gets no answer from a UDP port that rejects other checks of the same link: hosts send so few ICMP errors (Linux: one
 * a second to each address) that those about a stream leave none for the others.
 */
export function withRejections(facts: readonly Fact[]): readonly Fact[] {
  const rejected = new Map(
    facts
      .filter(({ protocol, symptom }) => protocol === 'udp' && rejections.has(symptom))
      .map((fact) => [portIdOf(fact), fact]),
  )
  if (rejected.size === 0) return facts
  return facts.map((fact) => {
    const { protocol, symptom } = fact
    const like = protocol === 'udp' && symptom === 'silent' ? rejected.get(portIdOf(fact)) : undefined
    if (like === undefined) return fact
    const { reason, phase, code, icmpFrom, message } = like
    return changedFact(fact, { symptom: like.symptom, reason, phase, code, icmpFrom, message })
  })
}

function portIdOf(fact: Fact): string {
  return `${fact.target} ${lossIdOf(fact)}`
}

/** Returns the share that at least two of these lose; 0 if there is one. */
function secondLossOf(lossy: readonly Fact[]): number {
  const [, second = 0] = lossy.map(({ loss }) => loss?.high ?? 0).toSorted((a, b) => b - a)
  return Math.min(second, highestLoss)
}

function lossIdOf({ from, to, path, vantage, family = '' }: Fact): string {
  return JSON.stringify([from, to.kind, to.name, path, vantage, family])
}

function groupOf({ from, to, check, path, vantage, family = '' }: Fact, zones: ReadonlyMap<string, string>): string {
  const pair = [zones.get(from) ?? '', zones.get(to.name) ?? ''].toSorted()
  return JSON.stringify([pair, check, path, vantage, family])
}

function isShifted(siblings: readonly Fact[]): boolean {
  const slow = siblings.filter(isLate).toSorted((a, b) => a.sinceMs - b.sinceMs)
  const middle = slow[Math.floor(slow.length / 2)]
  if (middle === undefined) return false
  const together = slow.filter(({ sinceMs }) => Math.abs(sinceMs - middle.sinceMs) <= oneEventMs)
  const pairs = pairsOf(siblings)
  return pairs >= leastPairs && pairsOf(together) * 2 > pairs
}

function pairsOf(facts: readonly Fact[]): number {
  return new Set(facts.map(pairIdOf)).size
}

function pairIdOf({ from, to }: Fact): string {
  return JSON.stringify([from, to.name].toSorted())
}

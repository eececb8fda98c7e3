import { groupBy } from '../../model/group-by.ts'
import { isOwn, type Said, type Variant } from '../cause.ts'
import { causes, unexplained } from '../causes/index.ts'
import { overFamily } from '../causes/parts.ts'
import { collectedAbout, withCollected } from '../collected.ts'
import { type Evidence, type Fact, ofSome } from '../evidence.ts'
import type { Finding, RuledOut, Weight } from '../finding.ts'
import { isProof } from '../proofs/proof.ts'
import { scopeText } from '../scope.ts'
import { withUnanswered } from './arrivals.ts'
import { type Accepted, cover } from './cover.ts'
import type { Candidate } from './gains.ts'
import type { Place } from './places.ts'
import { separatorOf } from './tables.ts'
import { type Cell, cellsOf, weightOf } from './vectors.ts'
import { arrivalClause, aspectText, clausesOf, observedOf, predicateOf, unansweredClauses } from './words.ts'

/** Nats within which another cause remains possible (1 : 20). */
const rivalNats = 3
/** Facts, and links, that the words of a finding are made from: thousands say no more. */
const toldFacts = 1_000
const toldLinks = 100

/** Largest number of causes that a finding says were ruled out. */
const shownRuledOut = 4

/** Time from the first failure until it is no burst, and failed attempts until it is established, with other evidence or alone. */
const usualBurstMs = 10_000
/**
 * Longest burst. Bursts of up to five seconds are usual (docs/detection.md), a stream fails many times in one, and its end is known only when
 * timeouts and settlement are over.
 */
const longestBurstMs = 6_000
/** Attempts that were made because one failed begin only after its timeout, so that fewer than these are in a burst. */
const spacingMs = 2_500
const trialsTogether = 2
const trialsAlone = 3
/** Of a flow in use that was dropped: kube-proxy may take half a minute to forget the endpoint of a pod that is gone. */
const trialsOfKept = 5

/**
 * Returns the causes that explain all failures at present. A pure function: what it does not know from `evidence`, it does not use. Failures
 * must have lasted for `burstMs`.
 */
export function explain(evidence: Evidence, { burstMs = usualBurstMs } = {}): readonly Finding[] {
  const known = withUnanswered(withCollected(evidence))
  return cover(known, causes, unexplained)
    .filter(({ failing }) => isEstablished(failing, { atMs: evidence.atMs, burstMs }))
    .map((accepted) => findingOf(accepted, known))
}

/**
 * Returns whether failures are more than one burst: they last, and each failed again, or one failed several times. A detector has seen enough
 * of what is lossy or slow; but a path is so for all that travels on it, and one such series between two nodes is its own matter. What was
 * collected is about failures that are established without it.
 */
function isEstablished(failing: readonly Fact[], { atMs, burstMs }: { atMs: number; burstMs: number }): boolean {
  let repeated = 0
  let detected = 0
  for (const fact of failing) {
    const { symptom, to, sinceMs, trials, socket } = fact
    if (isProof(fact) || (symptom === 'forgotten' && socket === 'kept' && trials < trialsOfKept)) continue
    if (ofSome.has(symptom)) {
      // Only checks that mark packets show that their marks change, and chance changes none.
      if (to.kind !== 'node' || symptom === 'remarked' || ++detected > 1) return true
    } else if (sinceMs <= atMs - burstMs && trials >= trialsTogether && !isBurst(fact, burstMs)) {
      if (++repeated > 1 || trials >= trialsAlone) return true
    }
  }
  return false
}

/** Whether all failures are of one short time, in which only what runs often anyway has so many. */
function isBurst({ sinceMs, lastMs, trials }: Fact, burstMs: number): boolean {
  const lastedMs = lastMs - sinceMs
  return lastedMs < Math.min(burstMs, longestBurstMs) && trials > 1 + lastedMs / spacingMs
}

function findingOf(accepted: Accepted, evidence: Evidence): Finding {
  const { cause, variant, place, losses, arrivesBack, failing, following, rivals, gain } = accepted
  const { scope } = place
  const passing = place.links
    .slice(0, toldLinks)
    .flatMap(({ facts }) => facts.filter((fact) => fact.symptom === 'passes' && isTold(fact)))
  const { sinceMs, told, untold } = toldOf(failing)
  const seen = seenAt(place)
  const { collected, clauses } = collectedAbout(evidence, failing)
  const direction = variant.direction ?? place.direction
  const where = scopeText(scope, direction)
  const said: Said = { scope, direction, losses, where, variant, failing: told, passing, collected }
  const near = rivals.filter((rival) => gain - rival.gain < rivalNats)
  const shares = shareOut([gain, ...rivals.map((rival) => rival.gain)])
  return {
    cause: cause.name,
    scope,
    direction,
    severity: cause.severity,
    confidence: shares[0] ?? 1,
    sinceMs,
    summary: summaryOf(accepted, said, near),
    evidence: [
      ...clausesOf([...told, ...following.slice(0, toldFacts)]),
      ...(untold > 0 ? [`${untold} more checks fail`] : []),
      ...(arrivesBack === true ? [arrivalClause(scope, direction)] : []),
      ...unansweredClauses(failing),
      ...clauses,
      ...clausesOf(passing.filter((fact) => !isOwn(fact))),
    ],
    weights: weightsOf(variant, seen),
    ruledOut: rivals
      .filter((rival) => !near.includes(rival))
      .slice(0, shownRuledOut)
      .flatMap((rival) => ruledOut(rival, { seen, told })),
    rivals: near.map((rival) => ({
      cause: rival.cause.name,
      confidence: shares[rivals.indexOf(rival) + 1] ?? 0,
      separatedBy: separatorOf(
        accepted,
        rival,
        place.links.slice(0, toldLinks).flatMap(({ facts }) => facts),
      ),
    })),
    next: cause.next(said),
  }
}

/** Proofs and directions have words of their own. */
function isTold(fact: Fact): boolean {
  return !isProof(fact) && fact.direction === undefined
}

/** Returns when failures began, those that words are made from, and how many others there are. */
function toldOf(failing: readonly Fact[]) {
  const told: Fact[] = []
  let sinceMs = Number.POSITIVE_INFINITY
  let untold = 0
  for (const fact of failing) {
    sinceMs = Math.min(sinceMs, fact.sinceMs)
    if (!isTold(fact)) continue
    if (told.length < toldFacts) told.push(fact)
    else untold++
  }
  return { sinceMs, told, untold }
}

/** Returns one sentence, which names a cause only as far as the evidence does. */
function summaryOf({ cause }: Accepted, said: Said, near: readonly Candidate[]): string {
  const [rival] = near
  if (rival === undefined) return cause.says(said)
  const seen = `${observedOf(said.failing, said.passing)}${overFamily(said)}: ${said.where}`
  const named = [cause, ...near.map((candidate) => candidate.cause)].filter((one) => one !== unexplained)
  const [first, second] = named
  if (first === undefined) return cause.says(said)
  if (second !== undefined) return `${seen}: either ${first.because}, or ${second.because}`
  return `${seen}: ${cause === unexplained ? 'perhaps' : 'probably'} ${first.because}`
}

/** Returns the share of each by its gain (softmax). */
function shareOut(gains: readonly number[]): readonly number[] {
  const most = Math.max(...gains)
  const odds = gains.map((gain) => Math.exp(gain - most))
  const sum = odds.reduce((total, one) => total + one, 0)
  return odds.map((one) => one / sum)
}

/** What an aspect shows on some links of a place. */
interface Seen {
  readonly aspect: string
  readonly cell: Cell
  readonly links: number
}

function seenAt({ links }: Place): readonly Seen[] {
  const cells = links.slice(0, toldLinks).flatMap(({ facts }) => cellsOf(facts))
  return groupBy(cells, ({ fact }) => `${aspectText(fact)} ${fact.symptom}`).flatMap((alike) => {
    const [cell] = alike
    return cell === undefined ? [] : [{ aspect: aspectText(cell.fact), cell, links: alike.length }]
  })
}

function weightsOf(variant: Variant, seen: readonly Seen[]): readonly Weight[] {
  return seen.map(({ aspect, cell, links }) => ({
    aspect,
    symptom: cell.fact.symptom,
    links,
    nats: weightOf(variant, cell).nats,
  }))
}

/** Returns what speaks most against a cause, in a clause. */
function ruledOut(
  rival: Candidate,
  { seen, told }: { readonly seen: readonly Seen[]; readonly told: readonly Fact[] },
): readonly RuledOut[] {
  const worst = weightsOf(rival.variant, seen).toSorted((a, b) => a.nats * a.links - b.nats * b.links)[0]
  if (worst !== undefined && worst.nats < 0) {
    return [{ cause: rival.cause.name, because: `${worst.aspect} ${predicateOf(worst.symptom)}` }]
  }
  const left = told.find((fact) => !weightOf(rival.variant, { fact, isWeak: false }).explains)
  if (left === undefined) return []
  return [
    { cause: rival.cause.name, because: `it does not explain why ${aspectText(left)} ${predicateOf(left.symptom)}` },
  ]
}

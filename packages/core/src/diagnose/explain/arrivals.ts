import { groupBy } from '../../model/group-by.ts'
import { isUdp } from '../cause.ts'
import { type Arrival, changedFact, type Evidence, Fact } from '../evidence.ts'

/*
 * Where everything is lost on one way between two nodes, no answer comes back on either, and only the responders know which way it is: requests
 * arrive at one of them and no longer at the other. Both ways must be known, by requests that were sent and failed: a path whose requests
 * never arrived under the address of their pod says nothing, nor does an agent that is not asked.
 */

/**
 * By how much the time of an arrival and that of an attempt, by two rows, may be off: rows that are relayed take 3.5 s, and what a responder
 * reports is a second old.
 */
const doubtMs = 5_000
/** Attempts that must have failed, and how long, so that this doubt cannot turn one way into the other. */
const leastTrials = 3
const leastMs = 3 * doubtMs

type Way = 'lost' | 'arrives'

/** Returns the last arrival of requests from one node at another; undefined if nothing is known. */
export type ArrivalBetween = (from: string, at: string, family: string) => Arrival | undefined

export function arrivalBetween(arrivals: readonly Arrival[] = []): ArrivalBetween {
  const idOf = (...parts: readonly string[]) => parts.join('\n')
  const known = new Map(arrivals.map((arrival) => [idOf(arrival.from, arrival.at, arrival.family), arrival]))
  return (from, at, family) => known.get(idOf(from, at, family))
}

/**
 * Returns on which way no requests arrive, while they do on the other; undefined if that is not so, or unknown for most pairs of nodes.
 *
 * @param isForth whether requests of a fact go forward
 */
export function wayWithoutArrivals(
  failing: readonly Fact[],
  arrivalOf: ArrivalBetween,
  isForth: (fact: Fact) => boolean,
): 'forward' | 'return' | undefined {
  const pairs = groupBy(failing.filter(isCounted), ({ from, to, family }) =>
    JSON.stringify([[from, to.name].toSorted(), family]),
  )
  const lost = { forward: 0, return: 0 }
  for (const facts of pairs) {
    const [first] = facts
    if (first === undefined) continue
    const there = wayOf(
      facts.filter(({ from }) => from === first.from),
      arrivalOf,
    )
    const back = wayOf(
      facts.filter(({ from }) => from !== first.from),
      arrivalOf,
    )
    if (there === undefined || back === undefined) continue
    if (there === back) return undefined
    lost[(there === 'lost') === isForth(first) ? 'forward' : 'return']++
  }
  if (lost.forward > 0 && lost.return > 0) return undefined
  if ((lost.forward + lost.return) * 2 <= pairs.length) return undefined
  return lost.forward > 0 ? 'forward' : 'return'
}

/**
 * Returns evidence with further facts where requests arrive on both ways between two nodes, and none is answered: each way carries requests, and
 * no answers. What does not carry anything, or nothing of a protocol, carries no requests of it either.
 */
export function withUnanswered(evidence: Evidence): Evidence {
  const { arrivals = [] } = evidence
  if (arrivals.length === 0) return evidence
  const arrivalOf = arrivalBetween(arrivals)
  const wayId = (from: string, to: string, family = '') => [from, to, family].join('\n')
  const silent = evidence.facts.filter((fact) => fact.symptom === 'silent' && isCounted(fact))
  const arriving = new Set(
    groupBy(silent, ({ from, to, family }) => wayId(from, to.name, family)).flatMap((facts) => {
      const [first] = facts
      const isArriving = first !== undefined && wayOf(facts, arrivalOf) === 'arrives'
      return isArriving ? [wayId(first.from, first.to.name, first.family)] : []
    }),
  )
  const unanswered = silent.flatMap((fact): readonly Fact[] => {
    const { check, from, to, family, aspect } = fact
    if (check !== counted || !arriving.has(wayId(from, to.name, family)) || !arriving.has(wayId(to.name, from, family)))
      return []
    return [
      changedFact(new Fact({ ...aspect, direction: 'forward' }, fact), { symptom: 'passes' }),
      new Fact({ ...aspect, direction: 'return' }, fact),
    ]
  })
  return unanswered.length === 0 ? evidence : { ...evidence, facts: [...evidence.facts, ...unanswered] }
}

/** Check that the facts about both ways are about: the stream of small packets. */
const counted = 'udp'

/** Whether a fact is about requests that the responder of a pod counts. */
function isCounted(fact: Fact): boolean {
  const { from, to, path, vantage, symptom } = fact
  const isAnswerless = symptom === 'silent' || symptom === 'lossy'
  return isUdp(fact) && isAnswerless && path === 'pod' && vantage === 'pod' && to.kind === 'node' && to.name !== from
}

/** Returns whether requests of these failures, which go from one node to another, arrive there. */
function wayOf(facts: readonly Fact[], arrivalOf: ArrivalBetween): Way | undefined {
  const ways = new Set(
    facts.flatMap((fact): readonly (Way | 'unclear')[] => {
      const { from, to, family = '', sinceMs, lastMs, trials } = fact
      const arrival = arrivalOf(from, to.name, family)
      if (arrival === undefined || trials < leastTrials) return []
      const untilMs = Math.min(lastMs, arrival.asOfMs)
      if (untilMs - sinceMs < leastMs) return []
      if (arrival.lastMs <= sinceMs + doubtMs) return ['lost']
      return [arrival.lastMs >= untilMs - doubtMs ? 'arrives' : 'unclear']
    }),
  )
  const [way] = ways
  return ways.size === 1 && way !== 'unclear' ? way : undefined
}

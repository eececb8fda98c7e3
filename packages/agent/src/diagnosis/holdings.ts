import {
  type Arrival,
  aspectOf,
  type ClockAnswer,
  type Collected,
  createAspects,
  endIdOf,
  Fact,
  type NodeEvidence,
} from '@scout/core'
import type { Base, Message } from './message.ts'

/** What a watcher holds of one agent. */
export interface Held {
  readonly node: Pick<NodeEvidence, 'name' | 'zone' | 'isStarved' | 'isOverlay'>
  /** Returns facts of all its links, on the clock of this host. They are made when they are needed: most of the time, all is well. */
  facts(): readonly Fact[]
  /** What it has collected, on the clock of this host. */
  readonly collected: readonly Collected[]
  /** What arrives at its responder, likewise. */
  readonly arrivals: readonly Arrival[]
  /** Those of links on which something does not pass. */
  readonly troubled: readonly Fact[]
  /** When its row was taken by its clock, and arrived by the one of this host. */
  readonly clock: ClockAnswer
}

/** The evidence of other agents. */
export interface Holdings {
  /** Takes a message that arrived now. */
  take(message: Message, nowMs: number): 'accepted' | 'needs-base' | 'stale'
  /** Returns the evidence of agents whose next message is not overdue, by node. */
  fresh(): ReadonlyMap<string, Held>
  /** Drops evidence of nodes that have no agent any more. */
  keep(nodes: ReadonlySet<string>): void
}

interface Kept {
  readonly process: string
  readonly startedAtMs: number
  readonly sequence: number
  /** Monotonic clock from which it is overdue. */
  readonly dueMs: number
  readonly baseId: number | undefined
  readonly base: Base | undefined
  readonly held: Held
}

/** How much later than announced a message may be: it may have had to be relayed, after its direct way timed out. */
const lateness = { ratio: 1.2, ms: 3_500 }

/** Most facts that are held of all agents together: each may have an equal part of them. */
const mostHeld = 500_000

/** @param monotonicMs clock that no step of the wall clock changes */
export function createHoldings(monotonicMs: () => number = () => performance.now()): Holdings {
  const kept = new Map<string, Kept>()
  return {
    take(message, nowMs) {
      const { from, sequence, takenAtMs, nextMs, node, baseId } = message
      const before = kept.get(node.name)
      if (before !== undefined && isOlder(message, before)) return 'stale'
      const aheadMs = takenAtMs - nowMs
      const isKnown = before?.process === from.process && before.baseId === baseId
      const most = mostHeld / (kept.size + 1)
      const base = message.base ?? (isKnown ? before.base : undefined)
      const others = new Set([...message.facts.map(({ to }) => endIdOf(to)), ...message.unknown.map(endIdOf)])
      const aspectFor = createAspects()
      const troubled = message.facts.map((fact) => {
        const [sinceMs, lastMs] = [fact.sinceMs - aheadMs, fact.lastMs - aheadMs]
        return new Fact(aspectFor(aspectOf(fact)), { ...fact, from: node.name, sinceMs, lastMs })
      })
      kept.set(node.name, {
        process: from.process,
        startedAtMs: from.startedAtMs,
        sequence,
        dueMs: monotonicMs() + nextMs * lateness.ratio + lateness.ms,
        baseId: base === undefined ? undefined : baseId,
        base,
        held: {
          node,
          facts: () => [
            ...troubled,
            ...(base === undefined ? [] : passingFacts(base, { from: node.name, atMs: nowMs, most, others })),
          ],
          collected: message.collected.map((one) => ({ ...one, from: node.name, atMs: one.atMs - aheadMs })),
          arrivals: message.arrivals.map(({ from, family, lastMs }) => ({
            at: node.name,
            from,
            family,
            lastMs: lastMs - aheadMs,
            asOfMs: nowMs,
          })),
          troubled,
          clock: {
            node: node.name,
            received: { row: { takenAtMs, startedAtMs: from.startedAtMs }, receivedAtMs: nowMs },
          },
        },
      })
      return base === undefined ? 'needs-base' : 'accepted'
    },
    fresh() {
      const now = monotonicMs()
      return new Map([...kept].flatMap(([node, { dueMs, held }]) => (dueMs >= now ? [[node, held] as const] : [])))
    },
    keep(nodes) {
      for (const node of kept.keys()) if (!nodes.has(node)) kept.delete(node)
    },
  }
}

/** Returns whether a message was overtaken by the one that is held, or is that of an earlier process. */
function isOlder({ from, sequence }: Message, before: Kept): boolean {
  return from.process === before.process ? sequence <= before.sequence : from.startedAtMs < before.startedAtMs
}

interface Reader {
  readonly from: string
  readonly atMs: number
  /** Most facts to make. */
  readonly most: number
  /** Links that are no longer as in the base. */
  readonly others: ReadonlySet<string>
}

function passingFacts({ aspects, links }: Base, { from, atMs, most, others }: Reader): readonly Fact[] {
  const facts: Fact[] = []
  for (const { to, of, trials, mediansNs = [] } of links) {
    if (others.has(endIdOf(to))) continue
    if (facts.length + of.length > most) break
    for (const [index, place] of of.entries()) {
      const aspect = aspects[place]
      if (aspect === undefined) continue
      // When it began and was last seen matters only beside a failure on the same link, and then the facts are sent in full.
      const medianNs = mediansNs[index] === 0 ? undefined : mediansNs[index]
      const seen = { sinceMs: atMs, trials: trials[index] ?? 1, lastMs: atMs, medianNs }
      facts.push(new Fact(aspect, { from, to, target: '', symptom: 'passes', ...seen }))
    }
  }
  return facts
}

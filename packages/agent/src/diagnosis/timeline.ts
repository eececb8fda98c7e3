import { changedFact, endIdOf, type Fact } from '@scout/core'

/*
 * What a watcher remembers of the last day: only what did not pass, from when to when, and which agents there were. So a mesh in which all is
 * well takes no memory, and the state of every link at any moment follows.
 */

/** A time in which one check on one link did not pass in one way. */
export interface Episode {
  readonly fact: Fact
  readonly fromMs: number
  /** Absent while it lasts. */
  readonly toMs?: number
}

/** A time in which there was an agent on a node. */
interface Presence extends TimelineNode {
  readonly fromMs: number
  readonly toMs?: number
}

interface TimelineNode {
  readonly name: string
  readonly zone?: string | undefined
  /** Whether its evidence was at hand. */
  readonly hasRow: boolean
}

/** What lasts from a moment on, by id. */
interface Lasts {
  readonly failing: ReadonlyMap<string, Episode>
  readonly present: ReadonlyMap<string, Presence>
  readonly atMs: number
}

/** What was known at one moment. Times are wall clock. */
export interface Moment {
  readonly atMs: number
  /** Those that do not pass. */
  readonly facts: readonly Fact[]
  readonly nodes: readonly TimelineNode[]
}

export interface Timeline {
  /** Increases when something begins or ceases to fail, or an agent comes or goes. */
  readonly changes: number
  /** The time that it covers; undefined before the first moment. */
  readonly span: { readonly fromMs: number; readonly toMs: number } | undefined
  /** Takes what is known now. */
  note(moment: Moment): void
  /** Called while this agent does not watch: from the last moment until the next one, nothing is known. */
  pause(): void
  /** Returns what was known at a moment; undefined outside of its span, and in a pause. */
  at(atMs: number): Moment | undefined
}

const dayMs = 86_400_000

/**
 * Episodes that have ended, and as many presences: at two kilobytes each, twenty megabytes at most. Beyond that, the oldest of those nodes
 * leave that have the most, so that no agent can push out what others have seen; what such a node saw before that is unknown.
 */
const mostEnded = 10_000
const mostTextLength = 200

/** After a longer time without a moment, nothing is known of what was in between, and it begins again. */
const gapMs = 120_000

export function createTimeline(): Timeline {
  const episodes = createSpans<Episode>(({ fact }) => fact.from)
  const presences = createSpans<Presence>(({ name }) => name)
  let span: Timeline['span']
  /** When the last pause began. What goes on after it begins again then. */
  let pausedAtMs = Number.NEGATIVE_INFINITY
  let changes = 0

  const replace = ({ failing, present, atMs }: Lasts) => {
    const hasOtherEpisodes = episodes.replace(failing, atMs)
    const hasOtherNodes = presences.replace(present, atMs)
    if (hasOtherEpisodes || hasOtherNodes) changes++
  }

  return {
    get changes() {
      return changes
    },
    get span() {
      return span
    },
    note({ atMs, facts, nodes }) {
      if (span !== undefined && (atMs < span.toMs || atMs - span.toMs > gapMs)) {
        // The clock was set back, or this agent has not watched for a while.
        episodes.clear()
        presences.clear()
        span = undefined
        pausedAtMs = Number.NEGATIVE_INFINITY
      }
      span = { fromMs: Math.max(span?.fromMs ?? atMs, atMs - dayMs), toMs: atMs }
      const failing = facts.map((fact): readonly [string, Episode] => [
        episodeIdOf(fact),
        { fact: shortened(fact), fromMs: Math.max(pausedAtMs, Math.min(fact.sinceMs, atMs)) },
      ])
      const present = nodes.map((node): readonly [string, Presence] => [
        JSON.stringify([node.name, node.zone, node.hasRow]),
        { ...node, fromMs: atMs },
      ])
      replace({ failing: new Map(failing), present: new Map(present), atMs })
      for (const spans of [episodes, presences]) spans.drop(span.fromMs)
    },
    pause() {
      if (span === undefined) return
      pausedAtMs = span.toMs
      replace({ failing: new Map(), present: new Map(), atMs: span.toMs })
    },
    at(atMs) {
      if (span === undefined || atMs < span.fromMs || atMs > span.toMs + gapMs) return undefined
      const nodes = presences.at(atMs).map((node) => ({
        ...node,
        hasRow: node.hasRow && episodes.isWhole(node.name, atMs) && presences.isWhole(node.name, atMs),
      }))
      // A watcher knows itself at least.
      if (nodes.length === 0) return undefined
      return { atMs, facts: episodes.at(atMs).map(({ fact }) => fact), nodes }
    },
  }
}

function shortened(fact: Fact): Fact {
  const { message = '', target } = fact
  const cut = (text: string) => text.slice(0, mostTextLength)
  return message.length <= mostTextLength && target.length <= mostTextLength
    ? fact
    : changedFact(fact, { message: cut(message), target: cut(target) })
}

function episodeIdOf({ from, to, check, path, vantage, family, symptom, reason }: Fact): string {
  return JSON.stringify([from, endIdOf(to), check, path, vantage, family, symptom, reason])
}

interface Lasting {
  readonly fromMs: number
  readonly toMs?: number
}

/** Things that last from one time to another, by id while they do. Each belongs to a node. */
function createSpans<One extends Lasting>(nodeOf: (one: One) => string) {
  let lasting: ReadonlyMap<string, One> = new Map()
  /** In the order of their ends. */
  let ended: (One & { readonly toMs: number })[] = []
  /** When the last one ended that had to leave, by node. */
  const lost = new Map<string, number>()
  return {
    /** Replaces those that last; returns whether any is new or has ended. One that goes on keeps its beginning. */
    replace(present: ReadonlyMap<string, One>, atMs: number): boolean {
      const gone = [...lasting].filter(([id]) => !present.has(id))
      for (const [, one] of gone) ended.push({ ...one, toMs: atMs })
      const isNew = [...present.keys()].some((id) => !lasting.has(id))
      lasting = new Map([...present].map(([id, one]) => [id, lasting.get(id) ?? one]))
      return isNew || gone.length > 0
    },
    /** Drops those that ended before a time, and beyond the limit the oldest of the nodes that have the most. */
    drop(beforeMs: number): void {
      for (const [node, toMs] of lost) if (toMs < beforeMs) lost.delete(node)
      if (ended.length <= mostEnded && (ended[0]?.toMs ?? beforeMs) >= beforeMs) return
      ended = ended.filter(({ toMs }) => toMs >= beforeMs)
      const counts = new Map<string, number>()
      for (const one of ended) counts.set(nodeOf(one), (counts.get(nodeOf(one)) ?? 0) + 1)
      const share = shareOf([...counts.values()], mostEnded)
      ended = ended.filter((one) => {
        const node = nodeOf(one)
        const left = counts.get(node) ?? 0
        if (left <= share) return true
        counts.set(node, left - 1)
        lost.set(node, one.toMs)
        return false
      })
    },
    /** Whether nothing of a node had to leave that lasted at a time. */
    isWhole: (node: string, atMs: number) => atMs >= (lost.get(node) ?? 0),
    at(atMs: number): readonly One[] {
      const isThen = ({ fromMs, toMs }: Lasting) => fromMs <= atMs && (toMs === undefined || atMs < toMs)
      return [...ended.filter(isThen), ...[...lasting.values()].filter(isThen)]
    },
    clear() {
      lasting = new Map()
      ended = []
      lost.clear()
    },
  }
}

/** Returns how many each may have so that all together have this many at most; those that have fewer leave theirs to the others. */
function shareOf(counts: readonly number[], most: number): number {
  let left = most
  for (const [index, count] of counts.toSorted((a, b) => a - b).entries()) {
    const share = Math.floor(left / (counts.length - index))
    if (count > share) return share
    left -= count
  }
  return most
}

/** A turn that a client has. */
export interface Turn {
  end(): void
}

/** What a client asks a turn for. */
export interface Wanted {
  readonly client: string
  /** How long the turn is likely to last (default: no time). */
  readonly likelyMs?: number
  /** Called if the turn ends early because others wait for it. Without it, a turn lasts until its holder ends it. */
  readonly onLost?: () => void
}

/** Limits the answers that are under way at the same time. */
export interface Turns {
  /** Resolves when the client may begin; to undefined if that takes too long, or if too many wait already. */
  take(wanted: Wanted): Promise<Turn | undefined>
}

export interface TurnLimits {
  readonly atOnce: number
  /** Limit for one client, so that a slow one does not occupy all turns. */
  readonly perClient: number
  readonly waiting: number
  readonly waitMs: number
  /** How long a turn lasts at least, while others wait for it; beyond it, it may be lost (default: without end). */
  readonly keptMs?: number
}

interface Held {
  readonly client: string
  readonly sinceMs: number
  readonly lose: (() => void) | undefined
}

interface Waiting {
  readonly wanted: Wanted
  readonly begin: (turn: Turn | undefined) => void
  readonly timer: NodeJS.Timeout
}

/** After this time, half of what a client has used is forgotten. */
const halvesMs = 30_000

/** Use that does not matter: a client that asks now and then may have to wait while it holds a turn. */
const littleMs = 1_000

/** Turns that no client loses to a newcomer at once: a client that asks again may still be reading its last answer. */
const fewTurns = 2

/** Clients whose use is remembered. */
const mostClients = 4096

/**
 * Creates turns, which clients share, however many turns each of them asks for and however long it would hold them:
 * - where no turn is free, the client that holds the most loses its oldest, if it holds more than two and the newcomer would have fewer;
 * - of those that wait, the client that will have held turns for the least time of late comes first, so one that asks rarely and for little
 *   passes those that ask all the time or for much, and also the first requests of many new clients;
 * - a turn that has lasted for `keptMs` ends when another client waits for it;
 * - of too many that wait, one goes away from the client with the most.
 */
export function createTurns(limits: TurnLimits): Turns {
  const { keptMs = Number.POSITIVE_INFINITY } = limits
  const held = new Set<Held>()
  const counts = new Map<string, number>()
  const queue = new Set<Waiting>()
  const used = createUse()
  let taking: NodeJS.Timeout | undefined

  const countOf = (client: string) => counts.get(client) ?? 0
  const isBelowOwnLimit = (client: string) => countOf(client) < limits.perClient

  /** Those with the lowest begin first. */
  const rankOf = ({ client, likelyMs = 0 }: Wanted) => Math.floor(used.by(client) / littleMs) * littleMs + likelyMs

  const byRank = (a: Waiting, b: Waiting) => rankOf(a.wanted) - rankOf(b.wanted)

  /** The client that has used most comes first. */
  const byUse = (a: Held, b: Held) => used.by(b.client) - used.by(a.client)

  const free = (turn: Held) => {
    if (!held.delete(turn)) return false
    addTo(counts, turn.client, -1)
    used.add(turn.client, performance.now() - turn.sinceMs)
    return true
  }

  const lose = (turn: Held) => {
    free(turn)
    turn.lose?.()
  }

  const begin = ({ client, onLost }: Wanted): Turn => {
    const turn: Held = { client, sinceMs: performance.now(), lose: onLost }
    held.add(turn)
    addTo(counts, client, 1)
    return {
      end() {
        if (free(turn)) beginNext()
      },
    }
  }

  const settle = (waiting: Waiting, turn: Turn | undefined) => {
    queue.delete(waiting)
    clearTimeout(waiting.timer)
    waiting.begin(turn)
  }

  /** Returns the one that waits and comes first of those whose clients are below their own limit. */
  const next = (): Waiting | undefined =>
    firstOf(
      [...queue].filter(({ wanted }) => isBelowOwnLimit(wanted.client)),
      byRank,
    )

  const beginNext = () => {
    while (queue.size > 0 && held.size < limits.atOnce) {
      const waiting = next()
      if (waiting === undefined) return
      settle(waiting, begin(waiting.wanted))
    }
  }

  /** Returns the oldest turn of the client that holds the most; undefined unless one holds more than two and more than the newcomer would. */
  const spareFor = (client: string): Held | undefined => {
    const most = Math.max(fewTurns, countOf(client) + 1)
    const losable = [...held].filter((turn) => turn.lose !== undefined && countOf(turn.client) > most)
    // Of clients with equally many, the one that has used most.
    return firstOf(losable, (a, b) => countOf(b.client) - countOf(a.client) || byUse(a, b))
  }

  /** Ends turns that have lasted long enough, for as many others as wait. */
  const takeFromLongest = () => {
    for (let waiting = next(); waiting !== undefined && held.size >= limits.atOnce; waiting = next()) {
      const { client } = waiting.wanted
      const beforeMs = performance.now() - keptMs
      const long = [...held].filter((turn) => turn.lose && turn.sinceMs <= beforeMs && turn.client !== client)
      const longest = firstOf(long, byUse)
      if (longest === undefined) break
      lose(longest)
      beginNext()
    }
    takeLater()
  }

  /** Ends turns once the first of them has lasted long enough, while others wait. */
  const takeLater = () => {
    if (taking !== undefined || keptMs === Number.POSITIVE_INFINITY || queue.size === 0) return
    const [first] = held
    const inMs = first === undefined ? keptMs : first.sinceMs + keptMs - performance.now()
    const take = () => {
      taking = undefined
      takeFromLongest()
    }
    // Those that may not be lost, and those of a client that waits itself, are looked at again from time to time.
    taking = setTimeout(take, Math.max(keptMs / 10, inMs)).unref()
  }

  /** Sends away one that waits, of the client with the most of them, or else the last in rank. Returns whether it did. */
  const sendAwayFor = (newcomer: Wanted): boolean => {
    const waits = new Map<string, number>()
    for (const { wanted } of queue) addTo(waits, wanted.client, 1)
    const waitsOf = ({ client }: Wanted) => waits.get(client) ?? 0
    const most = firstOf([...queue], (a, b) => waitsOf(b.wanted) - waitsOf(a.wanted))
    const last = firstOf([...queue], (a, b) => byRank(b, a))
    if (most === undefined || last === undefined) return false
    const isMore = waitsOf(most.wanted) > waitsOf(newcomer) + 1
    if (!isMore && rankOf(last.wanted) <= rankOf(newcomer)) return false
    settle(isMore ? most : last, undefined)
    return true
  }

  return {
    async take(wanted) {
      const { client } = wanted
      if (isBelowOwnLimit(client)) {
        if (held.size < limits.atOnce) return begin(wanted)
        const spare = spareFor(client)
        if (spare !== undefined) {
          lose(spare)
          return begin(wanted)
        }
      }
      if (queue.size >= limits.waiting && !sendAwayFor(wanted)) return undefined
      return new Promise((resolve) => {
        const timer = setTimeout(() => settle(waiting, undefined), limits.waitMs)
        const waiting: Waiting = { wanted, begin: resolve, timer }
        queue.add(waiting)
        takeLater()
      })
    },
  }
}

/** For how many milliseconds clients have held turns of late. */
function createUse() {
  const used = new Map<string, number>()
  let halvedMs = performance.now()

  const halve = () => {
    const nowMs = performance.now()
    for (; halvedMs + halvesMs <= nowMs; halvedMs += halvesMs) {
      for (const [client, ms] of used) {
        if (ms < 1) used.delete(client)
        else used.set(client, ms / 2)
      }
      if (used.size === 0) halvedMs = nowMs
    }
  }

  return {
    add(client: string, ms: number): void {
      halve()
      const [first] = used.keys()
      if (used.size >= mostClients && first !== undefined) used.delete(first)
      addTo(used, client, ms)
    },
    by: (client: string): number => used.get(client) ?? 0,
  }
}

function addTo(sums: Map<string, number>, name: string, more: number): void {
  const sum = (sums.get(name) ?? 0) + more
  if (sum === 0) sums.delete(name)
  else sums.set(name, sum)
}

/** Returns the first in this order. */
function firstOf<T>(all: readonly T[], compare: (a: T, b: T) => number): T | undefined {
  return all.toSorted(compare)[0]
}

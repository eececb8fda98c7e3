/** Ends a turn. */
export type Release = () => void

/** Limits the answers that are under way at the same time. */
export interface Turns {
  /** Resolves when the client may begin; to undefined if that takes too long, or if too many wait already. */
  take(client: string): Promise<Release | undefined>
}

export interface TurnLimits {
  readonly atOnce: number
  /** Limit for one client, so that a slow one does not occupy all turns. */
  readonly perClient: number
  readonly waiting: number
  readonly waitMs: number
}

interface Waiting {
  readonly client: string
  readonly begin: (release: Release | undefined) => void
  readonly timer: NodeJS.Timeout
}

/** Creates turns. Who waits begins in the order of arrival, except that clients at their own limit are passed over. */
export function createTurns(limits: TurnLimits): Turns {
  const held = new Map<string, number>()
  const queue = new Set<Waiting>()
  let atOnce = 0

  const isFree = (client: string) => atOnce < limits.atOnce && (held.get(client) ?? 0) < limits.perClient

  const begin = (client: string): Release => {
    atOnce++
    held.set(client, (held.get(client) ?? 0) + 1)
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      atOnce--
      const others = (held.get(client) ?? 0) - 1
      if (others > 0) held.set(client, others)
      else held.delete(client)
      beginNext()
    }
  }

  const beginNext = () => {
    for (const waiting of queue) {
      if (atOnce === limits.atOnce) return
      if (isFree(waiting.client)) settle(waiting, begin(waiting.client))
    }
  }

  const settle = (waiting: Waiting, release: Release | undefined) => {
    queue.delete(waiting)
    clearTimeout(waiting.timer)
    waiting.begin(release)
  }

  return {
    async take(client) {
      if (isFree(client)) return begin(client)
      if (queue.size >= limits.waiting) return undefined
      return new Promise((resolve) => {
        const timer = setTimeout(() => settle(waiting, undefined), limits.waitMs)
        const waiting: Waiting = { client, begin: resolve, timer }
        queue.add(waiting)
      })
    },
  }
}

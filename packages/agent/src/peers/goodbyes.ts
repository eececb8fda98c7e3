import type { Peer } from './peer.ts'

/**
 * The goodbyes of peers, by id. One may arrive before or after discovery reports that the peer is leaving. It holds until the peer is gone,
 * another process of it greets us, or discovery has reported it not ready and then ready again (its container was restarted in place). If
 * none of this happens, it ends by this host's monotonic clock: when discovery still reports the peer ready after `readyMs`, for a list
 * `readyMs` after the goodbye, and in any case after `mostMs`. A silent source does not count as a report: while the API server is down, a
 * peer that said goodbye is still leaving.
 */
export interface Goodbyes {
  has(id: string): boolean
  /** Whether the peer said goodbye, but not by this process. */
  isOfOther(id: string, process: string): boolean
  add(peer: Peer, process: string): void
  drop(id: string): void
  /** Takes the peers of discovery. `isHeard`: its source was heard since the last time. */
  report(peers: Iterable<Peer>, isHeard: boolean): void
  stop(): void
}

export interface GoodbyeSpans {
  readonly readyMs: number
  readonly mostMs: number
}

interface GoodbyesOptions {
  /** Called when the time of a goodbye has passed. */
  readonly onEnd: () => void
  readonly spans?: Partial<GoodbyeSpans> | undefined
}

interface Goodbye {
  readonly process: string
  readonly timer: NodeJS.Timeout
  /** Monotonic clock at the source's first report of the peer as ready after it. */
  reportedAtMs?: number | undefined
  /** Discovery has reported the peer as not ready since. */
  isConfirmed: boolean
}

export function createGoodbyes({ onEnd, spans }: GoodbyesOptions): Goodbyes {
  const { readyMs, mostMs } = { readyMs: 60_000, mostMs: 600_000, ...spans }
  const goodbyes = new Map<string, Goodbye>()

  const drop = (id: string) => {
    clearTimeout(goodbyes.get(id)?.timer)
    goodbyes.delete(id)
  }

  /** Whether the goodbye still holds when discovery reports this about its peer. */
  const holds = (goodbye: Goodbye, { state }: Peer, isHeard: boolean): boolean => {
    if (state !== 'ready') {
      goodbye.isConfirmed = true
      goodbye.reportedAtMs = undefined
      return true
    }
    if (goodbye.isConfirmed) return false
    if (!isHeard) return true
    goodbye.reportedAtMs ??= performance.now()
    return performance.now() - goodbye.reportedAtMs < readyMs
  }

  return {
    has: (id) => goodbyes.has(id),
    isOfOther(id, process) {
      const goodbye = goodbyes.get(id)
      return goodbye !== undefined && goodbye.process !== process
    },
    add({ id, isAssumed }, process) {
      // Said again, it lasts no longer.
      if (goodbyes.get(id)?.process === process) return
      drop(id)
      const end = () => {
        goodbyes.delete(id)
        onEnd()
      }
      const timer = setTimeout(end, isAssumed === true ? readyMs : mostMs)
      goodbyes.set(id, { process, timer, isConfirmed: false })
    },
    drop,
    report(peers, isHeard) {
      for (const peer of peers) {
        const goodbye = goodbyes.get(peer.id)
        if (goodbye !== undefined && !holds(goodbye, peer, isHeard)) drop(peer.id)
      }
    },
    stop() {
      for (const id of goodbyes.keys()) drop(id)
    },
  }
}

import { backoffMs } from '../backoff.ts'
import type { Greeting, GreetingAnswer } from './greeting.ts'
import { reachOf } from './reach.ts'
import type { KnownPeer } from './roster.ts'

export interface GreetingCounters {
  readonly answered: number
  /** Answers that are not a greeting. */
  readonly malformed: number
  /** Requests that were not answered. */
  readonly silent: number
  /** Connections that nobody accepted. */
  readonly unreached: number
}

/** Greets each ready or awaited peer until it answers, and again when its address changes. */
export interface Greeter {
  readonly counters: GreetingCounters
  /** Replaces all peers. */
  setPeers(peers: Iterable<KnownPeer>): void
  /** Greets a peer at once if it waits for its next greeting. */
  hurry(id: string): void
  stop(): void
}

interface GreeterOptions {
  readonly ask: (peer: KnownPeer) => Promise<GreetingAnswer>
  /** Called when a peer has accepted the connection, with its greeting if it answered with one. */
  readonly onMet: (peer: KnownPeer, greeting: Greeting | undefined) => void
  readonly onDefect: (error: unknown) => void
  readonly retry?: { readonly firstMs: number; readonly mostMs: number }
}

/** Delay per peer, so that a large mesh that starts together does not send all greetings at once. */
const spreadMs = 5

interface Asking {
  readonly peer: KnownPeer
  /** Address of the peer when it was greeted; a change leads to another greeting. */
  readonly at: string
  /** Set while the peer waits for its next greeting. */
  timer: NodeJS.Timeout | undefined
}

export function createGreeter({ ask, onMet, onDefect, retry }: GreeterOptions): Greeter {
  const { firstMs, mostMs } = retry ?? { firstMs: 1_000, mostMs: 60_000 }
  const counters = { answered: 0, malformed: 0, silent: 0, unreached: 0 }
  const askings = new Map<string, Asking>()

  const askIn = (waitMs: number, asking: Asking, failures: number) => {
    asking.timer = setTimeout(() => void askNow(asking, failures), waitMs)
  }

  const askNow = async (asking: Asking, failures: number) => {
    const { peer } = asking
    asking.timer = undefined
    const answer = await ask(peer).catch((error: unknown) => {
      onDefect(error)
      return 'unreached' as const
    })
    if (askings.get(peer.id) !== asking) return // its address changed or it left in the meantime
    if (typeof answer !== 'string') {
      counters.answered++
      return onMet(peer, answer)
    }
    counters[answer]++
    askIn(backoffMs(failures, { firstMs, mostMs }), asking, failures + 1)
    if (answer !== 'unreached') onMet(peer, undefined)
  }

  const forget = (id: string) => {
    clearTimeout(askings.get(id)?.timer)
    askings.delete(id)
  }

  return {
    get counters() {
      return { ...counters }
    },
    setPeers(peers) {
      const greeted = [...peers].filter(({ state, isAwaited }) => state === 'ready' || isAwaited)
      const ids = new Set(greeted.map(({ id }) => id))
      for (const id of askings.keys()) if (!ids.has(id)) forget(id)
      for (const peer of greeted) {
        const at = reachOf(peer)
        if (askings.get(peer.id)?.at === at) continue
        forget(peer.id)
        const asking: Asking = { peer, at, timer: undefined }
        askings.set(peer.id, asking)
        askIn(Math.random() * spreadMs * askings.size, asking, 0)
      }
    },
    hurry(id) {
      const asking = askings.get(id)
      if (asking?.timer === undefined) return
      clearTimeout(asking.timer)
      void askNow(asking, 0)
    },
    stop() {
      for (const id of askings.keys()) forget(id)
    },
  }
}

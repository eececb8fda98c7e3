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
}

/** Greets each ready peer until it answers, and again when its address changes. */
export interface Greeter {
  readonly counters: GreetingCounters
  /** Replaces all peers. */
  setPeers(peers: Iterable<KnownPeer>): void
  stop(): void
}

interface GreeterOptions {
  readonly ask: (peer: KnownPeer) => Promise<GreetingAnswer>
  readonly onGreeting: (peer: KnownPeer, greeting: Greeting) => void
  readonly onDefect: (error: unknown) => void
  readonly retry?: { readonly firstMs: number; readonly mostMs: number }
}

/** Delay per peer, so that a large mesh that starts together does not send all greetings at once. */
const spreadMs = 5

interface Asking {
  /** Address of the peer when it was greeted; a change leads to another greeting. */
  readonly at: string
  timer: NodeJS.Timeout | undefined
}

export function createGreeter({ ask, onGreeting, onDefect, retry }: GreeterOptions): Greeter {
  const { firstMs, mostMs } = retry ?? { firstMs: 1_000, mostMs: 60_000 }
  const counters = { answered: 0, malformed: 0, silent: 0 }
  const askings = new Map<string, Asking>()

  const askLater = (peer: KnownPeer, asking: Asking, failures: number) => {
    const waitMs =
      failures === 0 ? Math.random() * spreadMs * askings.size : backoffMs(failures - 1, { firstMs, mostMs })
    asking.timer = setTimeout(() => {
      askNow(peer, asking, failures).catch(onDefect)
    }, waitMs)
  }

  const askNow = async (peer: KnownPeer, asking: Asking, failures: number) => {
    const answer = await ask(peer)
    if (askings.get(peer.id) !== asking) return // its address changed or it left in the meantime
    if (typeof answer === 'string') {
      counters[answer]++
      return askLater(peer, asking, failures + 1)
    }
    counters.answered++
    onGreeting(peer, answer)
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
      const ready = [...peers].filter(({ state }) => state === 'ready')
      const ids = new Set(ready.map(({ id }) => id))
      for (const id of askings.keys()) if (!ids.has(id)) forget(id)
      for (const peer of ready) {
        const at = reachOf(peer)
        if (askings.get(peer.id)?.at === at) continue
        forget(peer.id)
        const asking: Asking = { at, timer: undefined }
        askings.set(peer.id, asking)
        askLater(peer, asking, 0)
      }
    },
    stop() {
      for (const id of askings.keys()) forget(id)
    },
  }
}

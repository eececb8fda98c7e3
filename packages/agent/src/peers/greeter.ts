import { backoffMs } from '../backoff.ts'
import type { Greeting, GreetingAnswer } from './greeting.ts'
import type { KnownPeer } from './roster.ts'

export interface GreetingCounters {
  readonly answered: number
  /** Answers that were no greeting. */
  readonly malformed: number
  /** Requests that were not answered. */
  readonly silent: number
}

/** Asks each ready peer once who it is, again when it has changed, and until it has answered. */
export interface Greeter {
  readonly counters: GreetingCounters
  /** From now on these peers and no others. */
  setPeers(peers: Iterable<KnownPeer>): void
  stop(): void
}

interface GreeterOptions {
  readonly ask: (peer: KnownPeer) => Promise<GreetingAnswer>
  readonly onGreeting: (peer: KnownPeer, greeting: Greeting) => void
  readonly onDefect: (error: unknown) => void
  readonly retry?: { readonly firstMs: number; readonly mostMs: number }
}

/** Share of the wait for each peer, so that a large mesh that starts together does not ask all at once. */
const spreadMs = 5

interface Asking {
  /** What a peer is asked about; when it changes, it is asked anew. */
  readonly about: string
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
    if (askings.get(peer.id) !== asking) return // it changed, or left, meanwhile
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
        const about = [...peer.addresses, peer.port, peer.proxy].join(' ')
        if (askings.get(peer.id)?.about === about) continue
        forget(peer.id)
        const asking: Asking = { about, timer: undefined }
        askings.set(peer.id, asking)
        askLater(peer, asking, 0)
      }
    },
    stop() {
      for (const id of askings.keys()) forget(id)
    },
  }
}

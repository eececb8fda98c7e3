import { setTimeout as sleep } from 'node:timers/promises'

/** Rates that clients share. */
export interface Pace {
  /** Resolves when so many bytes of a client may be sent, or the next ones read. */
  pass(client: string, bytes: number): Promise<void>
}

interface Rates {
  /** Of all clients together. */
  readonly bytesPerSecond: number
  readonly bytesPerSecondAndClient: number
  /** How much of a rate may be used at once, after a pause. */
  readonly burstMs: number
}

/** Number of clients above which those that have paused are forgotten. */
const manyClients = 256

/**
 * Creates a pace. Bytes first wait for the rate of their client, and only then take part of the common one, so that a client that asks for
 * far too much delays itself. Clients take part of the common rate in rotation.
 */
export function createPace({ bytesPerSecond, bytesPerSecondAndClient, burstMs }: Rates): Pace {
  const common = createRotation(createRate(bytesPerSecond, burstMs))
  const clients = new Map<string, Rate>()

  const rateOf = (client: string) => {
    const known = clients.get(client)
    if (known !== undefined) return known
    if (clients.size >= manyClients) for (const [name, { isPaused }] of clients) if (isPaused()) clients.delete(name)
    const rate = createRate(bytesPerSecondAndClient, burstMs)
    clients.set(client, rate)
    return rate
  }

  return {
    async pass(client, bytes) {
      const waitMs = rateOf(client).reserve(bytes)
      if (waitMs > 0) await sleep(waitMs)
      await common(client, bytes)
    },
  }
}

interface Part {
  readonly bytes: number
  readonly pass: () => void
}

/** Lets bytes pass at a rate, of one client after the other, so that nobody waits for all that another one has. */
function createRotation(rate: Rate): (client: string, bytes: number) => Promise<void> {
  const waiting = new Map<string, Part[]>()
  let isPassing = false

  const passAll = async () => {
    isPassing = true
    for (let [first] = waiting; first !== undefined; [first] = waiting) {
      const [client, parts] = first
      const part = parts.shift()
      waiting.delete(client)
      if (parts.length > 0) waiting.set(client, parts)
      if (part === undefined) continue
      const waitMs = rate.reserve(part.bytes)
      if (waitMs > 0) await sleep(waitMs)
      part.pass()
    }
    isPassing = false
  }

  return async (client, bytes) => {
    await new Promise<void>((pass) => {
      const parts = waiting.get(client) ?? []
      parts.push({ bytes, pass })
      waiting.set(client, parts)
      if (!isPassing) void passAll() // it cannot fail
    })
  }
}

export interface Rate {
  /** Reserves so many bytes. Returns how long to wait before they may be sent, in milliseconds. */
  reserve(bytes: number): number
  /** Whether a whole burst may be used at once. */
  isPaused(): boolean
}

/** Creates a rate: the generic cell rate algorithm (ITU-T I.371), which keeps the time at which everything reserved will have been sent. */
export function createRate(bytesPerSecond: number, burstMs: number, now = monotonicMs): Rate {
  let endMs = 0
  return {
    reserve(bytes) {
      const nowMs = now()
      endMs = Math.max(endMs, nowMs - burstMs) + (bytes / bytesPerSecond) * 1000
      return Math.max(0, endMs - nowMs)
    },
    isPaused: () => endMs <= now() - burstMs,
  }
}

function monotonicMs(): number {
  return performance.now()
}

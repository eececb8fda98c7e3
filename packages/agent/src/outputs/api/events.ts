import type { ServerResponse } from 'node:http'
import type { Changed } from './schemas.ts'

/** Streams of server-sent events (HTML standard §9.2), which report that documents have changed. */
export interface Events {
  hasRoomFor(client: string): boolean
  /** Begins a stream with the present versions of the documents. Its headers have been written. */
  add(response: ServerResponse, client: string): void
  close(): void
}

export interface EventsOptions {
  readonly changes: () => Changed
  readonly spans?: Partial<EventSpans>
}

export interface EventSpans {
  /** Shortest time between events. */
  readonly tickMs: number
  /** Time between comments, by which both sides notice that the other is gone. */
  readonly heartbeatMs: number
  /**
   * How long a stream lasts; its client connects again. What one that does not read can make the kernel hold is as much as fits in this
   * time: less than 100 kB.
   */
  readonly mostMs: number
}

const usualSpans: EventSpans = { tickMs: 1_000, heartbeatMs: 15_000, mostMs: 600_000 }
const most = { streams: 64, ofClient: 16 }

/** Time after which clients connect again. */
const retryMs = 2_000

interface Stream {
  readonly client: string
  readonly endMs: number
}

export function createEvents({ changes, spans }: EventsOptions): Events {
  const { tickMs, heartbeatMs, mostMs } = { ...usualSpans, ...spans }
  const streams = new Map<ServerResponse, Stream>()
  let sent = ''
  let beatMs = 0
  let timer: NodeJS.Timeout | undefined

  const write = (text: string) => {
    const nowMs = performance.now()
    for (const [response, { endMs }] of streams) {
      if (response.writableNeedDrain) response.destroy()
      else if (endMs <= nowMs) response.end()
      else response.write(text)
    }
  }

  const tick = () => {
    const text = eventOf(changes())
    const nowMs = performance.now()
    if (text === sent && nowMs - beatMs < heartbeatMs) return
    write(text === sent ? ':\n\n' : text)
    sent = text
    beatMs = nowMs
  }

  return {
    hasRoomFor(client) {
      const own = [...streams.values()].filter((stream) => stream.client === client)
      return streams.size < most.streams && own.length < most.ofClient
    },
    add(response, client) {
      if (timer === undefined) {
        timer = setInterval(tick, tickMs)
        sent = eventOf(changes())
        beatMs = performance.now()
      }
      streams.set(response, { client, endMs: performance.now() + mostMs })
      response.once('close', () => {
        streams.delete(response)
        if (streams.size > 0) return
        clearInterval(timer)
        timer = undefined
      })
      // What has changed since the last tick, all learn with the next.
      response.write(`retry: ${retryMs}\n${sent}`)
    },
    close() {
      for (const response of streams.keys()) response.destroy()
    },
  }
}

function eventOf(changed: Changed): string {
  return `event: changed\ndata: ${JSON.stringify(changed)}\n\n`
}

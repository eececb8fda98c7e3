import { listen, type Reply, request } from './client.ts'
import type { IncidentsDocument, LinksDocument } from './documents.ts'

/** What is known of the mesh, and how. */
export interface Live {
  readonly links?: LinksDocument
  readonly incidents?: IncidentsDocument
  /** What the agent's clock is ahead of the browser's. */
  readonly aheadMs: number
  /** Browser's clock when the agent last answered. */
  readonly answeredAtMs?: number
  /** Why it does not answer now. */
  readonly trouble?: string
  /** Why it does not know the past that is asked for. */
  readonly unknownPast?: string
  readonly needsToken: boolean
  /** Whether nothing has been asked since the page was hidden. */
  readonly isPaused: boolean
  /** Whether it reports changes; otherwise the page asks every few seconds. */
  readonly isStreaming: boolean
}

export const initially: Live = { aheadMs: 0, needsToken: false, isPaused: false, isStreaming: false }

/** How often to ask where nothing reports changes, and how often where it does or where they are past. */
const pollMs = 5_000
const slowPollMs = 30_000
/** After a refresh, so many times as long is left to everything else: the documents of a large mesh are much work on both sides. */
const pause = 10
const pauseMs = { least: 1_000, most: 10_000 } as const
/** A slider that is dragged passes many moments that nobody looks at. */
const settleMs = 100
const reconnectMs = 5_000

interface Follow {
  /** Wall clock of the past to show. */
  readonly atMs?: number | undefined
  readonly onChange: (update: (live: Live) => Live) => void
}

/**
 * Follows the mesh until the returned function is called: at once, on each change and every few seconds, while the page is visible. A hidden
 * page holds no connection, of which a browser has six to each agent for all of its tabs.
 */
export function follow({ atMs, onChange }: Follow): () => void {
  const ending = new AbortController()
  const { signal } = ending
  let isRefreshing = false
  let isDue = false
  let isStreaming = false
  let refreshedAtMs = performance.now()
  let restsUntilMs = 0

  const refresh = async () => {
    isDue = false
    isRefreshing = true
    const startMs = performance.now()
    const [links, incidents] = await Promise.all([
      request<LinksDocument>(`api/v1/links${atMs === undefined ? '' : `?at=${atMs}`}`, signal),
      request<IncidentsDocument>('api/v1/incidents', signal),
    ])
    isRefreshing = false
    if (signal.aborted) return
    refreshedAtMs = performance.now()
    const restMs = Math.min(pauseMs.most, Math.max(pauseMs.least, pause * (refreshedAtMs - startMs)))
    restsUntilMs = refreshedAtMs + restMs
    onChange((live) => updated(live, { links, incidents, isPast: atMs !== undefined }))
  }

  const tick = () => {
    const nowMs = performance.now()
    const isOverdue = nowMs - refreshedAtMs >= (isStreaming || atMs !== undefined ? slowPollMs : pollMs)
    if (!isRefreshing && !document.hidden && nowMs >= restsUntilMs && (isDue || isOverdue)) void refresh()
  }

  const setStreaming = (value: boolean) => {
    isStreaming = value
    if (!signal.aborted) onChange((live) => ({ ...live, isStreaming: value }))
  }
  const onOpen = () => setStreaming(true)
  // A stream begins with the present versions, which the refresh that began with it shows, and the one before a reconnect may have.
  let versions: string | undefined
  const onChanged = (event: string) => {
    if (versions !== undefined && versions !== event) isDue = true
    versions = event
  }
  let streaming = new AbortController()
  const stream = async () => {
    streaming = new AbortController()
    const both = AbortSignal.any([signal, streaming.signal])
    while (!both.aborted) {
      // Without a stream, the page asks every few seconds, and shows if that fails, too.
      await listen('api/v1/events', { signal: both, onOpen, onChanged }).catch(() => {})
      if (!both.aborted) setStreaming(false)
      await new Promise((resolve) => setTimeout(resolve, reconnectMs))
    }
  }

  const onVisibility = () => {
    if (document.hidden) {
      streaming.abort()
      isStreaming = false
      onChange((live) => ({ ...live, isStreaming: false, isPaused: true }))
      return
    }
    if (!isRefreshing) void refresh()
    if (atMs === undefined) void stream()
  }

  const first = setTimeout(() => void refresh(), atMs === undefined ? 0 : settleMs)
  if (atMs === undefined && !document.hidden) void stream()
  const timer = setInterval(tick, 250)
  document.addEventListener('visibilitychange', onVisibility, { signal })
  return () => {
    clearTimeout(first)
    clearInterval(timer)
    ending.abort()
  }
}

interface Received {
  readonly links: Reply<LinksDocument>
  readonly incidents: Reply<IncidentsDocument>
  readonly isPast: boolean
}

function updated(before: Live, { links, incidents, isPast }: Received): Live {
  const { trouble: _, unknownPast: __, ...live } = before
  const isUnknown = isPast && !links.ok && (links.status === 400 || links.status === 404)
  const refusals = [links, incidents].flatMap((reply) => (reply.ok || (isUnknown && reply === links) ? [] : [reply]))
  return {
    ...live,
    isPaused: false,
    ...(links.ok ? { links: links.content } : {}),
    ...(links.ok && !isPast ? { aheadMs: links.content.takenAtMs - Date.now() } : {}),
    ...(incidents.ok ? { incidents: incidents.content } : {}),
    ...(refusals.length === 0 ? { answeredAtMs: Date.now() } : {}),
    needsToken: refusals.some(({ status }) => status === 401),
    ...(refusals[0] === undefined ? {} : { trouble: refusals[0].message }),
    ...(isUnknown ? { unknownPast: links.message } : {}),
  }
}

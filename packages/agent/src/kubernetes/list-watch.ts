import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { backoffMs } from '../backoff.ts'
import { type ApiAccess, openLines, parseJson, readJson, troubleOfRenewal } from './api.ts'
import { ApiError, isTemporary, type Resource } from './api-error.ts'

/** The objects at the API server, as of its last message. */
export interface Listing<Item> {
  /** By namespace and name; a new map after each change, and only then. Undefined until the first list. */
  readonly items: ReadonlyMap<string, Item> | undefined
  /** Wall clock of the last list, watch, event or bookmark; 0 until the first. */
  readonly heardAtMs: number
  /** Why the server cannot be read at present. */
  readonly trouble?: ApiError | undefined
}

export interface ListWatchOptions<Item> {
  readonly access: ApiAccess
  readonly resource: Resource
  readonly labelSelector?: string
  /** Returns the needed part of an object; throws a ZodError for an invalid one, which is then ignored. */
  readonly parse: (object: unknown) => Item
  readonly onListing: (listing: Listing<Item>) => void
  /** Called for each ignored object. */
  readonly onOdd: (key: string, why: string) => void
  /** Called for a defect of Scout, after which everything is listed again. */
  readonly onDefect: (error: unknown) => void
  readonly timing?: Partial<Timing> | undefined
}

export interface Timing {
  /** Longest wait for credentials and the head of an answer. */
  readonly answerMs: number
  /** Time after which the server is asked to end a watch; a longer silence means a half-open connection. */
  readonly watchMs: number
  /** How late the server may end it. */
  readonly graceMs: number
  readonly retryFirstMs: number
  readonly retryMostMs: number
}

const defaultTiming: Timing = {
  answerMs: 10_000,
  watchMs: 240_000,
  graceMs: 15_000,
  retryFirstMs: 200,
  // Below the 5 s within which every change must arrive once the server is back.
  retryMostMs: 4_000,
}

const longestRetryAfterMs = 60_000

/** Go writes an empty list as null, as old and aggregated API servers do. */
export function itemsOf<Item extends z.ZodType>(item: Item) {
  return z
    .array(item)
    .nullable()
    .transform((items) => items ?? [])
}

const metadata = z.object({
  name: z.string(),
  namespace: z.string().optional(),
  resourceVersion: z.string().optional(),
})
const apiObject = z.looseObject({ metadata })
const listAnswer = z.object({ metadata: z.object({ resourceVersion: z.string() }), items: itemsOf(apiObject) })
const watchEvent = z.discriminatedUnion('type', [
  z.object({ type: z.enum(['ADDED', 'MODIFIED', 'DELETED']), object: apiObject }),
  z.object({ type: z.literal('BOOKMARK'), object: z.object({ metadata: z.object({ resourceVersion: z.string() }) }) }),
  z.object({
    type: z.literal('ERROR'),
    object: z.object({ code: z.int().default(0), message: z.string().default('') }),
  }),
])

type ApiObject = z.output<typeof apiObject>

/**
 * Lists the objects, then watches them, until the signal aborts. A watch that ends or breaks resumes where it was. Everything is listed
 * again where the server no longer has that version (410 Gone), an event could not be read, or the watch is not permitted
 * (https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes).
 *
 * The client library's own Watch is not used: it drops lines that it cannot parse, drops the server's reason for a rejection, and waits
 * for ever on a half-open connection.
 * @throws when `onListing` throws
 */
export async function listAndWatch<Item>(options: ListWatchOptions<Item>, signal: AbortSignal): Promise<void> {
  const { access, resource, labelSelector, onListing } = options
  const timing = { ...defaultTiming, ...options.timing }
  const { answerMs, watchMs, graceMs, retryFirstMs, retryMostMs } = timing
  const selection: Record<string, string> = labelSelector === undefined ? {} : { labelSelector }
  let listing: Listing<Item> = { items: undefined, heardAtMs: 0 }
  /**
   * Version of the last message: lists must not be older, and the watch resumes there. The first list may come from the server's cache
   * (0). Where the server no longer has the version, it must read its store (empty), which is expensive when all agents ask.
   */
  let version = '0'
  /** An event may have been missed. */
  let isListDue = true
  /** Watches that failed or ended soon, for the pause before the next. */
  let failures = 0
  /** Errors since a watch was last open. */
  let errors = 0
  /** Watches that broke soon by what they sent. They open, so their being open ends no trouble. */
  let unreadable = 0
  let openedAtMs = Number.POSITIVE_INFINITY

  const tell = (news: Partial<Listing<Item>>) => {
    listing = { ...listing, ...news }
    onListing(listing)
  }

  const list = async () => {
    const query = { ...selection, resourceVersion: version }
    const json = await readJson({ access, resource, verb: 'list', query, signal, answerMs, silenceMs: answerMs })
    const { metadata, items } = listAnswer.parse(json)
    // Trouble ends only when the watch is open, too.
    tell({ items: new Map(items.flatMap((object) => entryOf(object, options))), heardAtMs: Date.now() })
    version = metadata.resourceVersion
    isListDue = false
  }

  /** Resolves when the server ended the watch as asked. */
  const watch = async () => {
    // Spread, so that agents that started together do not return together.
    const timeoutSeconds = Math.ceil((watchMs * (1 + Math.random() / 4)) / 1000)
    const lines = await openLines({
      access,
      resource,
      verb: 'watch',
      query: {
        ...selection,
        watch: 'true',
        allowWatchBookmarks: 'true',
        resourceVersion: version,
        timeoutSeconds: String(timeoutSeconds),
      },
      signal,
      answerMs,
      silenceMs: timeoutSeconds * 1000 + graceMs,
    })
    openedAtMs = performance.now()
    errors = unreadable
    hear({})
    const lasting = setTimeout(() => {
      unreadable = 0
      tell({ trouble: undefined })
    }, retryMostMs)
    try {
      for await (const line of lines) apply(watchEvent.parse(parseJson(line, access.server)))
    } finally {
      clearTimeout(lasting)
    }
  }

  const hear = (news: Partial<Pick<Listing<Item>, 'items'>>) =>
    tell({ ...news, heardAtMs: Date.now(), ...(unreadable > 1 ? {} : { trouble: undefined }) })

  const apply = ({ type, object }: z.output<typeof watchEvent>) => {
    if (type === 'ERROR') {
      throw new ApiError('unreliable', `${access.server} ended the watch with an error: ${object.message}`, {
        status: object.code,
      })
    }
    if (type === 'BOOKMARK') {
      hear({})
    } else {
      const items = new Map(listing.items)
      items.delete(keyOf(object))
      if (type !== 'DELETED') for (const [key, item] of entryOf(object, options)) items.set(key, item)
      hear({ items })
    }
    version = object.metadata.resourceVersion ?? version
  }

  while (!signal.aborted) {
    let trouble: ApiError | undefined
    openedAtMs = Number.POSITIVE_INFINITY
    try {
      if (isListDue) await list()
      await watch()
    } catch (error) {
      if (signal.aborted) return
      trouble = asApiError(error, options)
      if (trouble.status === 401) trouble = troubleOfRenewal(access) ?? trouble
      if (isVersionUnknown(trouble)) version = ''
      // Otherwise the last version is still valid.
      if (version === '' || !isTemporary(trouble)) isListDue = true
    }
    const wasLong = performance.now() - openedAtMs > retryMostMs
    if (wasLong) failures = 0
    const isOpened = openedAtMs !== Number.POSITIVE_INFINITY
    const isUnreadable = isOpened && trouble?.kind === 'unreliable' && trouble.status !== 410
    unreadable = isUnreadable && !wasLong ? unreadable + 1 : 0
    // Connections drop and tokens expire in a healthy cluster: only a second failure, or one from the start, is reported.
    const isTold = trouble?.status !== 410 && (errors > 0 || listing.items === undefined)
    if (trouble !== undefined) {
      errors++
      if (isTold) tell({ trouble })
    }
    if (trouble === undefined && wasLong) continue
    // Also pauses for a server that ends every watch at once.
    await pause(failures++, trouble)
  }

  async function pause(failures: number, trouble: ApiError | undefined): Promise<void> {
    const askedMs = Math.min(trouble?.retryAfterMs ?? 0, longestRetryAfterMs)
    const ms = Math.max(askedMs, backoffMs(failures, { firstMs: retryFirstMs, mostMs: retryMostMs }))
    await sleep(ms, undefined, { signal }).catch(() => {}) // aborted: the loop ends by itself
  }
}

function entryOf<Item>(object: ApiObject, { parse, onOdd }: ListWatchOptions<Item>): readonly [string, Item][] {
  const key = keyOf(object)
  try {
    return [[key, parse(object)]]
  } catch (error) {
    if (!(error instanceof z.ZodError)) throw error
    onOdd(key, issueOf(error))
    return []
  }
}

function keyOf({ metadata: { namespace = '', name } }: ApiObject): string {
  return `${namespace}/${name}`
}

/** Whether the version is too old, or from before the server's store was restored from a backup. */
function isVersionUnknown({ status, message }: ApiError): boolean {
  return status === 410 || (status === 504 && message.includes('Too large resource version'))
}

function asApiError<Item>(error: unknown, { access: { server }, onDefect }: ListWatchOptions<Item>): ApiError {
  if (error instanceof ApiError) return error
  if (!(error instanceof z.ZodError)) {
    onDefect(error)
    return new ApiError('unreliable', `a defect in scout ended the watch of ${server}: ${String(error)}`, {
      cause: error,
    })
  }
  const message = `${server} answered with JSON that is not a Kubernetes list or watch: ${issueOf(error)}`
  return new ApiError('unreliable', message, { cause: error })
}

function issueOf({ issues: [issue] }: z.ZodError): string {
  return `${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`.trim()
}

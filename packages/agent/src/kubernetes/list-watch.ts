import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { backoffMs } from '../backoff.ts'
import { type ApiAccess, openLines, parseJson, readJson, unreadableCredentials } from './api.ts'
import { ApiError, type Resource } from './api-error.ts'

/** What is in force at the API server, as far as it was heard. */
export interface Listing<Item> {
  /** By namespace and name; another map after each change, and only then. Undefined until the first list. */
  readonly items: ReadonlyMap<string, Item> | undefined
  /** Wall clock of the last list, watch, event or bookmark; 0 until the first. */
  readonly heardAtMs: number
  /** Why nothing is heard at present. */
  readonly trouble?: ApiError | undefined
}

export interface ListWatchOptions<Item> {
  readonly access: ApiAccess
  readonly resource: Resource
  readonly labelSelector?: string
  /** The part of an object that matters; throws for one that makes no sense, which is then left out. */
  readonly parse: (object: unknown) => Item
  readonly onListing: (listing: Listing<Item>) => void
  /** Told of an object that was left out, and why. */
  readonly onOdd: (key: string, why: string) => void
  /** Told of a defect of Scout, which then is trouble like any other: everything is listed again. */
  readonly onDefect: (error: unknown) => void
  readonly timing?: Partial<Timing> | undefined
}

export interface Timing {
  /** Longest wait for credentials and the head of an answer. */
  readonly answerMs: number
  /** The server is asked to end a watch after this long, so that a silence beyond it tells of a half-open connection. */
  readonly watchMs: number
  /** How late a server may be with that. */
  readonly graceMs: number
  readonly retryFirstMs: number
  readonly retryMostMs: number
}

const defaultTiming: Timing = {
  answerMs: 10_000,
  watchMs: 240_000,
  graceMs: 15_000,
  retryFirstMs: 200,
  // Below the 5 s within which every change is to be known once the server is back.
  retryMostMs: 4_000,
}

const longestRetryAfterMs = 60_000

const metadata = z.object({
  name: z.string(),
  namespace: z.string().optional(),
  resourceVersion: z.string().optional(),
})
const apiObject = z.looseObject({ metadata })
const listAnswer = z.object({ metadata: z.object({ resourceVersion: z.string() }), items: z.array(apiObject) })
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
 * Lists the objects, then watches them, until the signal aborts. A watch that ends or breaks goes on where it was. Where that is not
 * known any more (410 Gone), an event could not be read, or there is no right to watch, everything is listed again
 * (https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes).
 *
 * The client library's own Watch is not used: it leaves out lines it cannot parse, forgets what the server said when it refused, and
 * waits for ever on a half-open connection.
 * @throws when not even trouble can be told
 */
export async function listAndWatch<Item>(options: ListWatchOptions<Item>, signal: AbortSignal): Promise<void> {
  const { access, resource, labelSelector, onListing } = options
  const timing = { ...defaultTiming, ...options.timing }
  const { answerMs, watchMs, graceMs, retryFirstMs, retryMostMs } = timing
  const selection: Record<string, string> = labelSelector === undefined ? {} : { labelSelector }
  let listing: Listing<Item> = { items: undefined, heardAtMs: 0 }
  /**
   * What was heard last: no list may be older, and the watch goes on from there. At first anything the server has at hand will do (0);
   * where it does not know that version, it has to ask its store (empty), which is dear when all agents make it.
   */
  let version = '0'
  /** An event may have been missed. */
  let isListDue = true
  /** Watches that failed or ended at once, for the pause before the next. */
  let failures = 0
  /** Errors since a watch was last open. */
  let errors = 0
  let openedAtMs = Number.POSITIVE_INFINITY

  const tell = (news: Partial<Listing<Item>>) => {
    listing = { ...listing, ...news }
    onListing(listing)
  }

  const list = async () => {
    const query = { ...selection, resourceVersion: version }
    const json = await readJson({ access, resource, verb: 'list', query, signal, answerMs, silenceMs: answerMs })
    const { metadata, items } = listAnswer.parse(json)
    // Trouble lasts until the watch is there, too.
    tell({ items: new Map(items.flatMap((object) => entryOf(object, options))), heardAtMs: Date.now() })
    version = metadata.resourceVersion
    isListDue = false
  }

  /** Returns when the server ended the watch in good order. */
  const watch = async () => {
    // Spread, so that agents that began together do not come back together.
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
    errors = 0
    tell({ heardAtMs: Date.now(), trouble: undefined })
    for await (const line of lines) {
      apply(watchEvent.parse(parseJson(line, access.server)))
      failures = 0
    }
  }

  const apply = ({ type, object }: z.output<typeof watchEvent>) => {
    if (type === 'ERROR') {
      throw new ApiError('unreliable', `${access.server} broke the watch off: ${object.message}`, {
        status: object.code,
      })
    }
    if (type === 'BOOKMARK') {
      tell({ heardAtMs: Date.now(), trouble: undefined })
    } else {
      const items = new Map(listing.items)
      items.delete(keyOf(object))
      if (type !== 'DELETED') for (const [key, item] of entryOf(object, options)) items.set(key, item)
      tell({ items, heardAtMs: Date.now(), trouble: undefined })
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
      if (version === '' || !canResumeAfter(trouble)) isListDue = true
    }
    const wasLong = performance.now() - openedAtMs > retryMostMs
    if (wasLong) failures = 0
    // Connections drop and tokens expire in a healthy cluster: only what fails twice, or from the start, is told.
    const isTold = trouble?.status !== 410 && (errors > 0 || listing.items === undefined)
    if (trouble !== undefined) {
      errors++
      if (isTold) tell({ trouble })
    }
    if (trouble === undefined && wasLong) continue
    // A server that ends every watch at once must not be asked without a pause either.
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

/** Nothing that was said is in doubt: the server could not be reached, or was not able to answer. */
function canResumeAfter({ kind, status = 0 }: ApiError): boolean {
  return kind === 'unreachable' || (kind === 'refused' && (status === 401 || status === 429 || status >= 500))
}

/** Too old, or from before the server's store was put back to an earlier state. */
function isVersionUnknown({ status, message }: ApiError): boolean {
  return status === 410 || (status === 504 && message.includes('Too large resource version'))
}

/** Credentials that cannot be read now, as while a kubeconfig is being written, may be readable at the next try. */
function troubleOfRenewal(access: ApiAccess): ApiError | undefined {
  try {
    access.renew()
    return undefined
  } catch (cause) {
    return unreadableCredentials(access, cause)
  }
}

function asApiError<Item>(error: unknown, { access: { server }, onDefect }: ListWatchOptions<Item>): ApiError {
  if (error instanceof ApiError) return error
  if (!(error instanceof z.ZodError)) {
    onDefect(error)
    return new ApiError('unreliable', `a defect in scout broke off what is heard of ${server}: ${String(error)}`, {
      cause: error,
    })
  }
  const message = `${server} answered with JSON that is no Kubernetes list or watch: ${issueOf(error)}`
  return new ApiError('unreliable', message, { cause: error })
}

function issueOf({ issues: [issue] }: z.ZodError): string {
  return `${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`.trim()
}

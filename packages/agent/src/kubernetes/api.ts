import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http'
import type { RequestOptions } from 'node:https'
import { ApiError, type Resource, refusalOf, unreachable, type Verb } from './api-error.ts'

/** Access to one API server. */
export interface ApiAccess {
  /** URL that every API path is appended to, without a slash at its end. */
  readonly server: string
  /** Returns certificates, headers and proxy of a request. Called before each request, because tokens are rotated. */
  credentials(): Promise<RequestOptions>
  /** Makes the next request read the credentials again, after they were rejected. */
  renew(): void
}

export interface ApiRequest {
  readonly access: ApiAccess
  readonly resource: Resource
  readonly verb: Verb
  /** Path behind the resource, for its proxy. */
  readonly path?: string
  readonly query: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  /** Object to create. */
  readonly body?: object
  readonly signal: AbortSignal
  /** Longest wait for credentials and the head of the answer. */
  readonly answerMs: number
  /** Longest silence within the answer; beyond it the connection counts as half open. */
  readonly silenceMs: number
}

/** Longest answer that is read: several times the list of the largest cluster that Kubernetes supports. */
const answerMostBytes = 64 << 20

/** Longest line of a watch: an object has at most 1.5 MiB (etcd's default limit of a request). */
const lineMostBytes = 4 << 20

/** Most that is read before the head of an answer ends. Node limits the head itself, but not the empty lines and 1xx responses before it. */
const headMostBytes = 1 << 20
const headCheckMs = 20

/** Time for a whole answer, in times of that for its head. */
const wholeTimes = 6

/** Idle time before the first keepalive probe; the kernel drops a vanished host ten unanswered seconds later. */
const keepAliveMs = 15_000

/** Returns a whole answer, which must have arrived within six times `answerMs`. @throws {ApiError} */
export async function readJson(request: ApiRequest): Promise<unknown> {
  const response = await open(request)
  const { access, answerMs } = request
  const overdue = setTimeout(() => response.destroy(tooSlow(access, wholeTimes * answerMs)), wholeTimes * answerMs)
  try {
    return parseJson(await collect(response, request), access.server)
  } finally {
    clearTimeout(overdue)
  }
}

/** Resolves at the head of the answer, to its lines as they arrive; an unfinished last line is dropped. @throws {ApiError} */
export async function openLines(request: ApiRequest): Promise<AsyncIterable<string>> {
  return linesOf(chunksOf(await open(request), request), request.access)
}

async function* linesOf(chunks: AsyncIterable<Buffer>, access: ApiAccess): AsyncGenerator<string> {
  let rest: Buffer[] = []
  let restBytes = 0
  for await (const chunk of chunks) {
    let start = 0
    for (let end = chunk.indexOf('\n'); end !== -1; end = chunk.indexOf('\n', start)) {
      yield Buffer.concat([...rest, chunk.subarray(start, end)]).toString()
      rest = []
      restBytes = 0
      start = end + 1
    }
    const part = chunk.subarray(start)
    restBytes += part.length
    if (restBytes > lineMostBytes) throw tooLong(access, 'one line of a watch', lineMostBytes)
    rest.push(part)
  }
}

/** @throws {ApiError} */
export function parseJson(text: string, server: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new ApiError(
      'unreliable',
      `${server} answered with ${text.length} characters of broken JSON: look for a proxy on the path that cuts answers off`,
      { cause },
    )
  }
}

function open(asked: ApiRequest): Promise<IncomingMessage> {
  const { access, query, signal } = asked
  const url = new URL(`${access.server}${pathOf(asked)}?${new URLSearchParams(query).toString()}`)
  return letIn(asked, async (credentials, { ending }) => {
    // TLS is loaded on demand: it takes 3 MiB.
    const send = url.protocol === 'https:' ? (await import('node:https')).request : httpRequest
    const { body, verb } = asked
    const type = body === undefined ? {} : { 'content-type': 'application/json' }
    const headers = { ...credentials.headers, ...asked.headers, ...type, accept: 'application/json' }
    const request = send(url, { ...credentials, method: verb === 'create' ? 'POST' : 'GET', headers, signal })
    ending.addEventListener('abort', () => request.destroy())
    const response = await answerTo(request, asked)
    if (response.statusCode !== 200 && response.statusCode !== 201) throw await refusalBy(response, asked)
    return jsonOnly(response, access.server)
  })
}

export interface Bounds {
  /** Aborts when the work must end; never after it has ended. */
  readonly ending: AbortSignal
  /** Ends the time limit: the rest may take any time. */
  lift(): void
}

/**
 * Runs `act` with the credentials. The limit of `answerMs` includes reading them, which may run another program.
 * @throws {ApiError}
 */
export async function letIn<Done>(
  { access, signal, answerMs }: Pick<ApiRequest, 'access' | 'signal' | 'answerMs'>,
  act: (credentials: RequestOptions, bounds: Bounds) => Promise<Done>,
): Promise<Done> {
  signal.throwIfAborted()
  const ending = new AbortController()
  const giveUp = () => ending.abort(signal.reason)
  let late = unreadableCredentials(access, `timeout after ${answerMs / 1000} s`)
  const actWithCredentials = async () => {
    const credentials = await credentialsOf(access)
    ending.signal.throwIfAborted()
    late = tooLate(access, answerMs)
    return act(credentials, { ending: ending.signal, lift })
  }
  const timer = setTimeout(() => ending.abort(late), answerMs)
  const lift = () => {
    clearTimeout(timer)
    signal.removeEventListener('abort', giveUp)
  }
  signal.addEventListener('abort', giveUp)
  try {
    return await Promise.race([actWithCredentials(), endOf(ending.signal)])
  } catch (error) {
    ending.signal.throwIfAborted()
    throw error instanceof ApiError ? error : unreachable(access.server, error)
  } finally {
    lift()
  }
}

function endOf(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason))
  })
}

function tooLate({ server }: ApiAccess, answerMs: number): ApiError {
  return new ApiError(
    'unreachable',
    `${server} did not answer within ${answerMs / 1000} s: check its load and the network path to it`,
  )
}

async function answerTo(
  request: ClientRequest,
  { access, body }: Pick<ApiRequest, 'access' | 'body'>,
): Promise<IncomingMessage> {
  let check: NodeJS.Timeout | undefined
  try {
    return await new Promise((resolve, reject) => {
      request.on('response', resolve)
      // After the head of the answer the response reports errors, and this listener has no effect.
      request.on('error', reject)
      request.on('socket', (socket) => {
        socket.setKeepAlive(true, keepAliveMs)
        const before = socket.bytesRead
        check = setInterval(() => {
          if (socket.bytesRead - before > headMostBytes)
            request.destroy(tooLong(access, 'the head of one answer', headMostBytes))
        }, headCheckMs)
      })
      request.end(body === undefined ? undefined : JSON.stringify(body))
    })
  } finally {
    clearInterval(check)
  }
}

/** @throws {ApiError} */
async function credentialsOf(access: ApiAccess): Promise<RequestOptions> {
  try {
    return await access.credentials()
  } catch (cause) {
    throw unreadableCredentials(access, cause)
  }
}

function unreadableCredentials({ server }: ApiAccess, cause: unknown): ApiError {
  // The output of a failed command may have several lines.
  const why = (cause instanceof Error ? cause.message : String(cause)).trim().replaceAll(/\s*\n\s*/g, ' ')
  return new ApiError('unreachable', `cannot read the credentials for ${server}: ${why}`, { cause })
}

/** Reads the credentials again, after they were rejected; returns why that is not possible. A kubeconfig may just be being written. */
export function troubleOfRenewal(access: ApiAccess): ApiError | undefined {
  try {
    access.renew()
    return undefined
  } catch (cause) {
    return unreadableCredentials(access, cause)
  }
}

export function pathOf({ resource, path = '' }: Pick<ApiRequest, 'resource' | 'path'>): string {
  const { group, version, plural, namespace, name, subresource } = resource
  const steps = [
    ...(group === '' ? ['api', version] : ['apis', group, version]),
    ...(namespace === undefined ? [] : ['namespaces', namespace]),
    ...[plural, name, subresource].filter((step) => step !== undefined),
  ]
  return `/${steps.map(encodeStep).join('/')}${path}`
}

function encodeStep(step: string): string {
  return encodeURIComponent(step).replace('%3A', ':')
}

/** Returns the error for an unwanted answer, with the server's message. */
export async function refusalBy(
  response: IncomingMessage,
  { access, resource, verb }: Pick<ApiRequest, 'access' | 'resource' | 'verb'>,
): Promise<ApiError> {
  const body = await collect(response, { access, silenceMs: 1_000 }).catch(() => '')
  const { statusCode: status = 0, headers } = response
  return refusalOf({ server: access.server, resource, verb, status, body, retryAfter: headers['retry-after'] })
}

function jsonOnly(response: IncomingMessage, server: string): IncomingMessage {
  const type = response.headers['content-type'] ?? 'no content type'
  if (/\bjson\b/.test(type)) return response
  response.destroy()
  throw new ApiError(
    'unreliable',
    `${server} answered with ${type} instead of JSON: it is not the address of a Kubernetes API server`,
  )
}

async function collect(response: IncomingMessage, request: Pick<ApiRequest, 'access' | 'silenceMs'>): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of chunksOf(response, request)) {
    bytes += chunk.length
    if (bytes > answerMostBytes) throw tooLong(request.access, 'one answer', answerMostBytes)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

/** Yields the body as it arrives. A consumer that stops early closes the connection. */
async function* chunksOf(
  response: IncomingMessage,
  { access: { server }, silenceMs }: Pick<ApiRequest, 'access' | 'silenceMs'>,
): AsyncGenerator<Buffer> {
  const silent = () =>
    response.destroy(
      new ApiError(
        'unreachable',
        `received nothing from ${server} for ${silenceMs / 1000} s: the connection is half open`,
      ),
    )
  const watchdog = setTimeout(silent, silenceMs)
  try {
    for await (const chunk of response) {
      watchdog.refresh()
      if (Buffer.isBuffer(chunk)) yield chunk
    }
  } catch (error) {
    throw error instanceof ApiError ? error : unreachable(server, error)
  } finally {
    clearTimeout(watchdog)
  }
}

function tooLong({ server }: ApiAccess, what: string, mostBytes: number): ApiError {
  return new ApiError(
    'unreliable',
    `${server} sent more than ${mostBytes >> 20} MiB in ${what}, which is the limit: check that it is the address of an API server, and what answers behind it`,
  )
}

function tooSlow({ server }: ApiAccess, wholeMs: number): ApiError {
  return new ApiError(
    'unreachable',
    `${server} did not send its whole answer within ${wholeMs / 1000} s: check its load and the network path to it`,
  )
}

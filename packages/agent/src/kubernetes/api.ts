import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest, type RequestOptions } from 'node:https'
import { ApiError, type Resource, refusalOf, unreachable, type Verb } from './api-error.ts'

/** How one API server is reached. */
export interface ApiAccess {
  /** Address with the path in front of every API path, without a slash at its end. */
  readonly server: string
  /** What a request needs to be let in: certificates, headers, proxy. Asked before each request, since tokens are rotated. */
  credentials(): Promise<RequestOptions>
  /** The credentials were refused: read them anew before the next request. */
  renew(): void
}

export interface ApiRequest {
  readonly access: ApiAccess
  readonly resource: Resource
  readonly verb: Verb
  /** Below the resource: what its proxy is asked for. */
  readonly path?: string
  readonly query: Readonly<Record<string, string>>
  readonly signal: AbortSignal
  /** Longest wait for credentials and the head of the answer. */
  readonly answerMs: number
  /** Longest silence within the answer; beyond it the connection counts as half open. */
  readonly silenceMs: number
}

/** First keepalive probe after this long; the kernel gives a vanished host up ten unanswered seconds later. */
const keepAliveMs = 15_000

/** A whole answer. @throws {ApiError} */
export async function readJson(request: ApiRequest): Promise<unknown> {
  const response = await open(request)
  return parseJson(await collect(response, request), request.access.server)
}

/** An answer line by line, as it comes, once its head is there; a last line without an end is left out. @throws {ApiError} */
export async function openLines(request: ApiRequest): Promise<AsyncIterable<string>> {
  return linesOf(chunksOf(await open(request), request))
}

async function* linesOf(chunks: AsyncIterable<string>): AsyncGenerator<string> {
  let rest: string[] = []
  for await (const chunk of chunks) {
    const [first = '', ...others] = chunk.split('\n')
    rest.push(first)
    for (const part of others) {
      yield rest.join('')
      rest = [part]
    }
  }
}

/** @throws {ApiError} */
export function parseJson(text: string, server: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new ApiError(
      'unreliable',
      `${server} answered with ${text.length} characters of broken JSON: look for a proxy in between that cuts answers off`,
      { cause },
    )
  }
}

function open(asked: ApiRequest): Promise<IncomingMessage> {
  const { access, query, signal } = asked
  const url = new URL(`${access.server}${pathOf(asked)}?${new URLSearchParams(query).toString()}`)
  return letIn(asked, async (credentials, { ending }) => {
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest
    const headers = { ...credentials.headers, accept: 'application/json' }
    const request = send(url, { ...credentials, headers, signal })
    ending.addEventListener('abort', () => request.destroy())
    const response = await answerTo(request)
    if (response.statusCode !== 200) throw await refusalBy(response, asked)
    return jsonOnly(response, access.server)
  })
}

export interface Bounds {
  /** Aborts when what is done has to end, and no more once it is done. */
  readonly ending: AbortSignal
  /** It is as good as done. */
  lift(): void
}

/**
 * Does something with the credentials. It has `answerMs` for all of it, and getting them, which may be the work of another program, is
 * part of that.
 * @throws {ApiError}
 */
export async function letIn<Done>(
  { access, signal, answerMs }: Pick<ApiRequest, 'access' | 'signal' | 'answerMs'>,
  act: (credentials: RequestOptions, bounds: Bounds) => Promise<Done>,
): Promise<Done> {
  signal.throwIfAborted()
  const ending = new AbortController()
  const giveUp = () => ending.abort(signal.reason)
  let late = unreadableCredentials(access, `they are not there within ${answerMs / 1000} s`)
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
    `${server} did not answer within ${answerMs / 1000} s: look at its load and the way there`,
  )
}

function answerTo(request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.on('response', resolve)
    // Beyond the head of the answer, errors are the response's to tell, and this changes nothing.
    request.on('error', reject)
    request.on('socket', (socket) => socket.setKeepAlive(true, keepAliveMs))
    request.end()
  })
}

/** @throws {ApiError} */
async function credentialsOf(access: ApiAccess): Promise<RequestOptions> {
  try {
    return await access.credentials()
  } catch (cause) {
    throw unreadableCredentials(access, cause)
  }
}

export function unreadableCredentials({ server }: ApiAccess, cause: unknown): ApiError {
  // What a command said before it failed may have several lines.
  const why = (cause instanceof Error ? cause.message : String(cause)).trim().replaceAll(/\s*\n\s*/g, ' ')
  return new ApiError('unreachable', `cannot read the credentials for ${server}: ${why}`, { cause })
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

/** The error behind an answer that is none of those asked for, with what the server says in it. */
export async function refusalBy(
  response: IncomingMessage,
  { access, resource, verb }: Pick<ApiRequest, 'access' | 'resource' | 'verb'>,
): Promise<ApiError> {
  const body = await collect(response, { access, silenceMs: 1_000 }).catch(() => '')
  const { statusCode: status = 0, headers } = response
  return refusalOf({ server: access.server, resource, verb, status, body, retryAfter: headers['retry-after'] })
}

function jsonOnly(response: IncomingMessage, server: string): IncomingMessage {
  const type = response.headers['content-type'] ?? 'nothing that says its type'
  if (/\bjson\b/.test(type)) return response
  response.destroy()
  throw new ApiError(
    'unreliable',
    `${server} answered with ${type} instead of JSON: it is not the address of a Kubernetes API server`,
  )
}

async function collect(response: IncomingMessage, request: Pick<ApiRequest, 'access' | 'silenceMs'>): Promise<string> {
  const chunks: string[] = []
  for await (const chunk of chunksOf(response, request)) chunks.push(chunk)
  return chunks.join('')
}

async function* chunksOf(
  response: IncomingMessage,
  { access: { server }, silenceMs }: Pick<ApiRequest, 'access' | 'silenceMs'>,
): AsyncGenerator<string> {
  const silent = () =>
    response.destroy(
      new ApiError(
        'unreachable',
        `nothing was heard of ${server} for ${silenceMs / 1000} s: the connection is half open`,
      ),
    )
  const watchdog = setTimeout(silent, silenceMs)
  response.setEncoding('utf8')
  try {
    for await (const chunk of response) {
      watchdog.refresh()
      yield String(chunk)
    }
  } catch (error) {
    throw error instanceof ApiError ? error : unreachable(server, error)
  } finally {
    clearTimeout(watchdog)
  }
}

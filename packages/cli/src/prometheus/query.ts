import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { printable } from '@scout/core'
import { z } from 'zod'
import { CommandError, exitCodes } from '../shell/exit-code.ts'
import { type Access, tokenVariable } from './access.ts'

/** One sample of an instant query. */
export interface Sample {
  /** Without control characters. A label that is absent is like an empty one. */
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface Question {
  readonly access: Access
  /** In PromQL. */
  readonly query: string
  readonly atMs: number
  readonly signal: AbortSignal
  /** Receives what the server says of an incomplete answer. */
  onWarning(text: string): void
}

/** Longest time for one whole answer. The server is told a little less, so that it is the one to say what takes long. */
const answerMs = 30_000
const serverSeconds = 25

/** Largest answer: the links of 1,000 agents with default settings have 6 MiB. */
const mostBytes = 32 << 20
/** Largest value: the last time of a `Date`, in seconds. NaN and infinite ones are none either. */
const mostValue = 8.64e12
/** Characters of a message of the server that are shown. */
const mostSaid = 300

const text = z.string().transform(printable)
const failed = z.object({ status: z.literal('error'), error: text })
const succeeded = z.object({
  status: z.literal('success'),
  data: z.object({
    resultType: z.literal('vector'),
    result: z.array(
      z
        .object({ metric: z.record(z.string(), text), value: z.tuple([z.number(), z.string()]) })
        .transform(({ metric, value }): Sample => ({ labels: metric, value: Number(value[1]) })),
    ),
  }),
  warnings: z.array(text).optional(),
})

/** Returns the samples of a query at a time. One with a value that no agent has is as good as absent. @throws {CommandError} with what to do */
export async function ask({ access, query, atMs, signal, onWarning }: Question): Promise<readonly Sample[]> {
  const { server } = access
  const parameters = { query, time: (atMs / 1000).toFixed(3), timeout: `${serverSeconds}s` }
  const url = `${server}/api/v1/query?${new URLSearchParams(parameters).toString()}`
  const { status, location, body } = await answerTo(access, url, signal)
  const json = jsonIn(body)
  const said = failed.safeParse(json).data?.error ?? plainIn(body)
  if (status !== 200) throw refused({ server, status, said: said.slice(0, mostSaid), location })
  const { data } = succeeded.safeParse(json)
  if (data === undefined) {
    throw broken(server, 'its answer is not that of the HTTP API of Prometheus: check the URL, and its path prefix')
  }
  for (const warning of data.warnings ?? []) onWarning(warning.slice(0, mostSaid))
  return data.data.result.filter(({ value }) => Math.abs(value) <= mostValue)
}

interface Answer {
  readonly status: number
  readonly location: string | undefined
  readonly body: string
}

async function answerTo({ server, headers, ca }: Access, url: string, signal: AbortSignal): Promise<Answer> {
  const late = AbortSignal.timeout(answerMs)
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const options = {
        headers: { accept: 'application/json', ...headers },
        signal: AbortSignal.any([signal, late]),
        ...(ca === undefined ? {} : { ca }),
      }
      const request = url.startsWith('https:') ? httpsRequest(url, options) : httpRequest(url, options)
      request.on('response', resolve).on('error', reject).end()
    })
    const { statusCode: status = 0, headers: received } = response
    return { status, location: received.location, body: await bodyOf(response, server) }
  } catch (error) {
    if (error instanceof CommandError) throw error
    if (signal.aborted) throw new CommandError(exitCodes.failed, 'stopped before an answer arrived', { cause: error })
    if (late.aborted) {
      throw broken(server, `no whole answer within ${answerMs / 1000} s: check its load and the network path to it`)
    }
    throw unreachable(server, error)
  }
}

async function bodyOf(response: IncomingMessage, server: string): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response) {
    if (!Buffer.isBuffer(chunk)) continue
    bytes += chunk.length
    if (bytes > mostBytes) {
      const limit = `it sent more than ${mostBytes >> 20} MiB in one answer, which is the limit`
      throw broken(server, `${limit}: select less with --label, such as one cluster`)
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

function jsonIn(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined // a proxy or another program: the status says more
  }
}

/** Returns the message of a server that answers in plain text; nothing of a page. */
function plainIn(body: string): string {
  const line = body.trim()
  return /^[^<{\n]{1,300}$/.test(line) ? printable(line) : ''
}

interface Refusal extends Pick<Answer, 'status' | 'location'> {
  readonly server: string
  readonly said: string
}

function refused({ server, status, said, location }: Refusal): CommandError {
  const words = said === '' ? '' : `: ${said}`
  if (/no org id/i.test(said)) {
    return new CommandError(
      exitCodes.unable,
      `${server} needs a tenant (${status}${words}): add --header 'X-Scope-OrgID: TENANT'`,
    )
  }
  if (status === 401 || status === 403) {
    const remedy = `set ${tokenVariable}, write user and password into the URL, or add --header 'Name: value'`
    return new CommandError(
      exitCodes.unable,
      `${server} does not accept these credentials (${status}${words}): ${remedy}`,
    )
  }
  if (status >= 300 && status < 400) {
    const where = destinationOf(location, server)
    return broken(
      server,
      `it redirects to ${where} (${status}), which is not followed: write that URL, or log in with ${tokenVariable}`,
    )
  }
  if (status === 404) {
    const prefixes = 'such as /prometheus (Mimir) or /select/0/prometheus (VictoriaMetrics)'
    return broken(server, `it has no /api/v1/query (404): add the path prefix of its API to the URL, ${prefixes}`)
  }
  return broken(server, `it answered ${status}${words === '' ? ': check its log' : words}`)
}

/** Returns an address without its query, which may hold the state of a login. */
function destinationOf(location: string | undefined, server: string): string {
  if (location === undefined || !URL.canParse(location, server)) return 'nowhere'
  const { origin, pathname } = new URL(location, server)
  return printable(`${origin}${pathname.replace(/\/api\/v1\/query$/, '')}`)
}

const remedies: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'check the address, or start kubectl port-forward',
  ENOTFOUND: 'check the name',
  EPROTO: 'check whether it speaks http instead of https',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
}

function unreachable(server: string, cause: unknown): CommandError {
  // Node reports attempts on several addresses of a name as one error without a message (RFC 8305).
  const inner: unknown = cause instanceof AggregateError ? cause.errors[0] : cause
  const message = inner instanceof Error ? inner.message : String(inner)
  const code = inner instanceof Error && 'code' in inner && typeof inner.code === 'string' ? inner.code : ''
  const remedy =
    remedies[code] ??
    (/certificate|self.signed/i.test(message) ? 'name its authority with --ca' : 'check the path to it')
  return new CommandError(exitCodes.failed, `cannot reach ${server}: ${message} (${remedy})`, { cause })
}

function broken(server: string, why: string): CommandError {
  return new CommandError(exitCodes.failed, `cannot use ${server}: ${why}`)
}

import type { RequestOptions } from 'node:https'
import { WebSocket } from 'ws'
import { z } from 'zod'
import { type ApiAccess, type Bounds, letIn, parseJson, pathOf, refusalBy } from './api.ts'
import { ApiError, type Resource, unreachable } from './api-error.ts'

export interface ExecRequest {
  readonly access: ApiAccess
  readonly pod: { readonly name: string; readonly namespace: string; readonly container: string }
  readonly command: readonly string[]
  /** Longest wait for credentials and the connection. */
  readonly answerMs: number
  /** Longest silence of the server, which is pinged three times as often. */
  readonly silenceMs?: number
  readonly signal: AbortSignal
  /** Called when the connection is open, before any output. */
  readonly onOpen?: () => void
  readonly onOutput: (stream: 'stdout' | 'stderr', bytes: Uint8Array) => void
}

/** A process in a pod, with its connection. */
export interface RemoteProcess {
  /** Writes to its standard input. */
  write(text: string): void
  /** Resolves to its exit code. @throws {ApiError} where it could not run, or the connection broke before it ended. */
  readonly exited: Promise<number>
  /** Closes the connection, which ends the input of the process. */
  close(): void
}

const usualSilenceMs = 15_000

/** Longest message of the server; it passes output on in pieces of some kilobytes. A longer one breaks the connection. */
const messageMostBytes = 4 << 20

/** Both have the same streams; the later one adds closing a single stream, which is not used here. */
const protocols = ['v5.channel.k8s.io', 'v4.channel.k8s.io']

/** First byte of each message. */
const channels = { stdin: 0, stdout: 1, stderr: 2, status: 3 } as const

/**
 * Runs a command in a pod through the API server, as `kubectl exec -i` does
 * (https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#get-connect-get-requests-to-exec-of-pod). Streams stay
 * apart, since there is no terminal.
 *
 * The client library's own Exec is not used: it drops the server's reason for a rejection, waits for ever on a silent server, does not
 * report a broken connection, and rejects plain http.
 * @throws {ApiError} where it cannot connect
 */
export function execInPod(request: ExecRequest): Promise<RemoteProcess> {
  return letIn(request, async (credentials, bounds) => {
    const socket = connect(request, credentials)
    // Listens before the connection opens, because output may follow at once.
    const exited = exitOf(socket, request)
    try {
      await opened(socket, request, bounds)
    } catch (error) {
      exited.catch(() => {}) // the caller gets the error below
      socket.terminate()
      throw error
    }
    return {
      write(text) {
        if (socket.readyState === WebSocket.OPEN) {
          socket.send(Buffer.concat([Buffer.of(channels.stdin), Buffer.from(text)]))
        }
      },
      exited,
      close: () => socket.terminate(),
    }
  })
}

function connect({ access, pod, command }: ExecRequest, credentials: RequestOptions): WebSocket {
  const query = new URLSearchParams({ container: pod.container, stdin: 'true', stdout: 'true', stderr: 'true' })
  for (const word of command) query.append('command', word)
  const address = `${access.server}${pathOf({ resource: execOf(pod) })}?${query.toString()}`
  return new WebSocket(address.replace(/^http/, 'ws'), protocols, {
    ...credentials,
    perMessageDeflate: false,
    maxPayload: messageMostBytes,
  })
}

function execOf({ namespace, name }: ExecRequest['pod']): Resource {
  return { group: '', version: 'v1', plural: 'pods', namespace, name, subresource: 'exec' }
}

function opened(socket: WebSocket, { access, pod, onOpen }: ExecRequest, { ending, lift }: Bounds): Promise<void> {
  return new Promise((resolve, reject) => {
    ending.addEventListener('abort', () => reject(ending.reason))
    socket.on('open', () => {
      onOpen?.()
      // The first output may arrive at once and make the caller abort: from now on the command decides how it ends.
      lift()
      resolve()
    })
    socket.on('error', reject)
    socket.on('unexpected-response', (_, response) => {
      refusalBy(response, { access, resource: execOf(pod), verb: 'create' }).then(reject, reject)
    })
  })
}

function exitOf(
  socket: WebSocket,
  { access, pod, silenceMs = usualSilenceMs, onOutput }: ExecRequest,
): Promise<number> {
  return new Promise((resolve, reject) => {
    let reason = `the connection to ${access.server} broke`
    const watchdog = setTimeout(() => {
      reason = `received nothing from ${access.server} for ${silenceMs / 1000} s`
      socket.terminate()
    }, silenceMs)
    const question = setInterval(() => {
      if (socket.readyState === WebSocket.OPEN) socket.ping()
    }, silenceMs / 3)
    for (const sign of ['open', 'message', 'pong', 'ping']) socket.on(sign, () => watchdog.refresh())
    socket.on('message', (data) => {
      if (!Buffer.isBuffer(data)) return
      const [channel] = data
      const bytes = data.subarray(1)
      if (channel === channels.stdout) onOutput('stdout', bytes)
      else if (channel === channels.stderr) onOutput('stderr', bytes)
      else if (channel === channels.status) settle(bytes.toString())
    })
    const settle = (text: string) => {
      try {
        resolve(exitCodeOf(text, { access, pod }))
      } catch (error) {
        reject(error)
      }
      socket.close()
    }
    socket.on('error', (error) => {
      // https://github.com/websockets/ws/blob/master/doc/ws.md#error-codes
      const isTooLong = 'code' in error && error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH'
      reason = isTooLong
        ? `${access.server} sent a message of more than ${messageMostBytes >> 20} MiB, which is the limit,`
        : unreachable(access.server, error).message
    })
    socket.on('close', () => {
      clearTimeout(watchdog)
      clearInterval(question)
      // No effect after the status has settled the promise.
      reject(new ApiError('unreachable', `${reason} before the command in pod ${pod.name} had ended`))
    })
  })
}

const status = z.object({
  status: z.enum(['Success', 'Failure']),
  message: z.string().default('no reason is given'),
  details: z
    .object({
      causes: z.array(z.object({ reason: z.string().default(''), message: z.string().default('') })).nullish(),
    })
    .nullish(),
})

/** @throws {ApiError} */
function exitCodeOf(text: string, { access, pod }: Pick<ExecRequest, 'access' | 'pod'>): number {
  const { data } = status.safeParse(parseJson(text, access.server))
  if (data?.status === 'Success') return 0
  const code = Number(data?.details?.causes?.find(({ reason }) => reason === 'ExitCode')?.message)
  if (Number.isInteger(code)) return code
  throw new ApiError('refused', `cannot run a command in pod ${pod.name}: ${data?.message ?? text}`)
}

import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'

/** A process started by exec, as seen by the test that plays it. */
export interface Played {
  readonly path: string
  readonly command: readonly string[]
  readonly container: string
  /** The negotiated protocol: `v5.channel.k8s.io`. */
  readonly protocol: string
  /** Its standard input so far. */
  input(): string
  /** Standard input has ended. */
  isCutOff(): boolean
  onInput(listener: () => void): void
  print(stream: 'stdout' | 'stderr', bytes: string | Uint8Array): void
  exit(code: number): void
  /** Ends it with this status object, valid or not. */
  end(status: unknown): void
  /** Closes or breaks the connection without a status. */
  close(how: 'in order' | 'at once'): void
  /** Stops reading and answering. */
  freeze(): void
}

export type Program = (played: Played) => void

interface Upgrade {
  readonly request: IncomingMessage
  readonly socket: Socket
  readonly head: Buffer
}

/** Streams of the protocol (k8s.io/apimachinery/pkg/util/remotecommand). */
const streams = { stdout: 1, stderr: 2, status: 3 } as const

/** Accepts a connection for exec, with the first offered version of the protocol. */
export function runByExec(program: Program, { request, socket, head }: Upgrade): void {
  const server = new WebSocketServer({ noServer: true, handleProtocols: ([first = '']) => first })
  server.handleUpgrade(request, socket, head, (connection) => program(played(connection, request, socket)))
}

function played(connection: WebSocket, request: IncomingMessage, socket: Socket): Played {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://api')
  const listeners: (() => void)[] = []
  let input = ''
  let isCutOff = false
  connection.on('message', (data: Buffer) => {
    if (data[0] === 0) input += data.subarray(1).toString()
    for (const listener of listeners) listener()
  })
  connection.on('close', () => {
    isCutOff = true
    for (const listener of listeners) listener()
  })
  const send = (stream: keyof typeof streams, bytes: string | Uint8Array) =>
    connection.send(Buffer.concat([Buffer.of(streams[stream]), Buffer.from(bytes)]))
  const end = (status: unknown) => {
    send('status', typeof status === 'string' ? status : JSON.stringify(status))
    connection.close()
  }
  return {
    path: pathname,
    command: searchParams.getAll('command'),
    container: searchParams.get('container') ?? '',
    protocol: connection.protocol,
    input: () => input,
    isCutOff: () => isCutOff,
    onInput: (listener) => listeners.push(listener),
    print: send,
    exit: (code) => end(statusOf(code)),
    end,
    close: (how) => (how === 'in order' ? connection.close() : socket.destroy()),
    freeze: () => void socket.pause(),
  }
}

/** Returns a status as the kubelet writes it. */
function statusOf(code: number): object {
  if (code === 0) return { metadata: {}, status: 'Success' }
  return {
    metadata: {},
    status: 'Failure',
    message: `command terminated with non-zero exit code: exit status ${code}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(code) }] },
  }
}

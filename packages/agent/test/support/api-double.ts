import { once } from 'node:events'
import { createServer as createHttpServer, type IncomingMessage, ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { json } from 'node:stream/consumers'
import { onTestFinished } from 'vitest'
import { type Program, runByExec } from './exec-double.ts'

interface ApiObject {
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels?: Readonly<Record<string, string>>
  }
}

interface Happened {
  readonly version: number
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly path: string
  readonly object: ApiObject
}

export interface SeenRequest {
  readonly verb: 'create' | 'list' | 'watch'
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly authorization: string | undefined
}

/** Handles a request in place of the normal answer. */
export type Misbehaviour = (request: IncomingMessage, response: ServerResponse) => unknown

/** An object that was created, and when. */
export interface Created {
  readonly path: string
  readonly object: Readonly<Record<string, unknown>>
  /** Monotonic clock. */
  readonly atMs: number
}

/** A small API server: create, list and watch with versions and bookmarks as in Kubernetes, and every kind of misbehaviour. */
export interface ApiDouble {
  readonly server: string
  readonly requests: readonly SeenRequest[]
  readonly created: readonly Created[]
  /** Number of open watches. */
  readonly watches: number
  set(object: ApiObject, plural?: string): void
  remove(name: string, plural?: string): void
  /** Sends the current version to every watch, as a bookmark. */
  bookmark(): void
  /** Drops the history: watches from earlier versions get 410. */
  compact(): void
  /** Writes this text into every watch. */
  say(text: string | Buffer): void
  /** Ends every watch normally. */
  endWatches(): void
  /** Breaks every connection. */
  drop(): void
  /** Applies these to the next requests, one each. */
  next(...misbehaviours: readonly Misbehaviour[]): void
  /** Applies this to every request with a matching path until the next call. */
  always(misbehaviour: Misbehaviour | undefined, where?: RegExp): void
  /** Sets the answer of the proxy to pods at this path, `/POD:PORT/PATH`. */
  serve(path: string, content: unknown): void
  /** Sets the function that plays commands in pods. */
  run(program: Program): void
}

interface ApiDoubleOptions {
  readonly tls?: { readonly key: string; readonly cert: string }
  /** Any other token gets 401. */
  readonly acceptedToken?: () => string
}

const proxied = /^\/api\/v1\/namespaces\/[^/]+\/pods\/(?<pod>[^/]+)\/proxy(?<rest>\/.*)$/
const resource = /^\/(?:api|apis\/[^/]+)\/v1(?:\/namespaces\/(?<namespace>[^/]+))?\/(?<plural>[^/]+)$/

export async function startApiDouble({ tls, acceptedToken }: ApiDoubleOptions = {}): Promise<ApiDouble> {
  const objects = new Map<string, { readonly path: string; readonly object: ApiObject }>()
  const requests: SeenRequest[] = []
  const created: Created[] = []
  const watches = new Set<{
    readonly response: ServerResponse
    readonly isMatch: (path: string, object: ApiObject) => boolean
  }>()
  const sockets = new Set<Socket>()
  let history: Happened[] = []
  let version = 100
  let oldest = 100
  let queued: Misbehaviour[] = []
  const served = new Map<string, string>()
  let program: Program | undefined
  let always: { readonly misbehaviour: Misbehaviour | undefined; readonly where: RegExp } | undefined

  const versioned = (object: ApiObject, at: number) => ({
    ...object,
    metadata: { ...object.metadata, resourceVersion: String(at) },
  })
  const line = ({ type, object, version }: Happened) =>
    `${JSON.stringify({ type, object: versioned(object, version) })}\n`

  const happen = (type: Happened['type'], path: string, object: ApiObject) => {
    const happened = { version: ++version, type, path, object }
    history.push(happened)
    for (const { response, isMatch } of watches) if (isMatch(path, object)) response.write(line(happened))
  }

  /** Returns the misbehaviour for a request, if any. */
  const misbehaviourFor = (request: IncomingMessage, path: string): Misbehaviour | undefined => {
    const ordered = queued.shift() ?? (always?.where.test(path) === true ? always.misbehaviour : undefined)
    const isKnown = acceptedToken === undefined || request.headers.authorization === `Bearer ${acceptedToken()}`
    return ordered ?? (isKnown ? undefined : answerStatus(401, 'Unauthorized'))
  }

  const create = async (request: IncomingMessage, response: ServerResponse) => {
    const object = (await json(request)) as Created['object']
    created.push({ path: request.url ?? '', object, atMs: performance.now() })
    response.writeHead(201, { 'content-type': 'application/json' })
    response.end(JSON.stringify(object))
  }

  const handle = (request: IncomingMessage, response: ServerResponse): unknown => {
    const url = new URL(request.url ?? '/', 'http://api')
    const query = Object.fromEntries(url.searchParams)
    const isWatch = query['watch'] === 'true'
    requests.push({
      verb: request.method === 'POST' ? 'create' : isWatch ? 'watch' : 'list',
      path: url.pathname,
      query,
      authorization: request.headers.authorization,
    })
    const misbehaviour = misbehaviourFor(request, url.pathname)
    if (misbehaviour !== undefined) return misbehaviour(request, response)
    const { pod, rest } = proxied.exec(url.pathname)?.groups ?? {}
    if (pod !== undefined) {
      const content = served.get(`/${pod}${rest}`)
      const answer = content === undefined ? answerStatus(404, `pods "${pod}" not found`) : answerWith(content)
      return answer(request, response)
    }
    if (request.method === 'POST') return create(request, response)
    const { namespace, plural = '' } = resource.exec(url.pathname)?.groups ?? {}
    const isMatch = (path: string, { metadata }: ApiObject) =>
      path === plural &&
      (namespace === undefined || metadata.namespace === namespace) &&
      isSelected(metadata.labels ?? {}, query['labelSelector'])
    if (!isWatch) {
      const items = [...objects.values()]
        .filter(({ path, object }) => isMatch(path, object))
        .map(({ object }) => versioned(object, version))
      response.writeHead(200, { 'content-type': 'application/json' })
      return response.end(JSON.stringify({ kind: 'List', metadata: { resourceVersion: String(version) }, items }))
    }
    const from = Number(query['resourceVersion'])
    if (from < oldest) return answerStatus(410, 'too old resource version')(request, response)
    response.writeHead(200, { 'content-type': 'application/json' })
    response.flushHeaders()
    for (const happened of history) {
      if (happened.version > from && isMatch(happened.path, happened.object)) response.write(line(happened))
    }
    const watch = { response, isMatch }
    watches.add(watch)
    const end = setTimeout(() => {
      watches.delete(watch)
      response.end()
    }, Number(query['timeoutSeconds']) * 1000)
    return response.on('close', () => {
      clearTimeout(end)
      watches.delete(watch)
    })
  }

  const server = tls === undefined ? createHttpServer(handle) : createHttpsServer(tls, handle)
  server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
  })
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    const { pathname } = new URL(request.url ?? '/', 'http://api')
    const misbehaviour = misbehaviourFor(request, pathname) ?? (program === undefined ? notFound : undefined)
    if (misbehaviour === undefined && program !== undefined) return runByExec(program, { request, socket, head })
    const response = new ServerResponse(request)
    response.assignSocket(socket)
    response.on('finish', () => socket.end())
    misbehaviour?.(request, response)
  })
  server.listen({ host: '127.0.0.1', port: 0 })
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  const { port } = server.address() as AddressInfo

  return {
    server: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    requests,
    created,
    get watches() {
      return watches.size
    },
    set(object, plural = 'endpointslices') {
      const key = `${plural}/${object.metadata.namespace ?? ''}/${object.metadata.name}`
      const type = objects.has(key) ? 'MODIFIED' : 'ADDED'
      objects.set(key, { path: plural, object })
      happen(type, plural, object)
    },
    remove(name, plural = 'endpointslices') {
      for (const [key, { path, object }] of objects) {
        if (path !== plural || object.metadata.name !== name) continue
        objects.delete(key)
        happen('DELETED', path, object)
      }
    },
    bookmark() {
      const event = { type: 'BOOKMARK', object: { kind: 'Any', metadata: { resourceVersion: String(version) } } }
      for (const { response } of watches) response.write(`${JSON.stringify(event)}\n`)
    },
    compact() {
      history = []
      oldest = ++version
    },
    say(text) {
      for (const { response } of watches) response.write(text)
    },
    endWatches() {
      for (const { response } of watches) response.end()
      watches.clear()
    },
    drop() {
      for (const socket of sockets) socket.destroy()
    },
    next(...misbehaviours) {
      queued = [...queued, ...misbehaviours]
    },
    always(misbehaviour, where = /^/) {
      always = { misbehaviour, where }
    },
    serve(path, content) {
      served.set(path, JSON.stringify(content))
    },
    run(next) {
      program = next
    },
  }
}

/** Rejects a request as Kubernetes does. */
export function answerStatus(code: number, message: string, headers: Record<string, string> = {}): Misbehaviour {
  return (_, response) => {
    response.writeHead(code, { 'content-type': 'application/json', ...headers })
    response.end(JSON.stringify({ kind: 'Status', status: 'Failure', message, code }))
  }
}

const notFound = answerStatus(404, 'the server could not find the requested resource')

/** Rejects a request as a proxy in front of Kubernetes does. */
export function answerBare(code: number, headers: Record<string, string>): Misbehaviour {
  return (_, response) => response.writeHead(code, headers).end('<html>')
}

/** Answers 200 with any content. */
export function answerWith(text: string, type = 'application/json'): Misbehaviour {
  return (_, response) => {
    response.writeHead(200, { 'content-type': type })
    response.end(text)
  }
}

/** Never answers. */
export function hang(): void {}

/** Sends an answer without end, as fast as it is read. */
export function createEndless() {
  let sentBytes = 0
  const answer: Misbehaviour = (_, response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    const piece = Buffer.alloc(1 << 20, ' ')
    const more = () => {
      do sentBytes += piece.length
      while (response.write(piece))
    }
    response.on('drain', more)
    more()
  }
  return { answer, sentBytes: () => sentBytes }
}

/** Sends the head of an answer and nothing after it. */
export function stall(_: IncomingMessage, response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json' })
  response.flushHeaders()
}

/** Breaks the connection. */
export function breakOff(request: IncomingMessage): void {
  request.socket.destroy()
}

/** Matches a label selector; supports equality and existence, the only ones used here. */
function isSelected(labels: Readonly<Record<string, string>>, selector = ''): boolean {
  return selector.split(',').every((requirement) => {
    const [name = '', value] = requirement.split('=')
    return name === '' || (value === undefined ? name in labels : labels[name] === value)
  })
}

import type { MessagePort } from 'node:worker_threads'
import { ScoutError } from '../../model/errors.ts'
import type { RouteRequest } from '../../responders/http.ts'
import type { Arrivals } from '../../responders/udp.ts'
import { type AttemptRequest, createEngine, type EngineOptions } from '../engine.ts'
import type { TaskChange } from '../task.ts'
import type { CountersByResponder, FromThread, ToThread } from './messages.ts'

/** Forwards a responder's request to the thread that started this one. Resolves to its answer. */
export type HandOver = (path: string, request: RouteRequest) => Promise<object | undefined>

/** Responders of a probe thread, on one port. */
export interface ThreadResponders {
  readonly port: number
  counters(): CountersByResponder
  /** Returns from where the UDP responder has had requests; each changes a counter. */
  arrivals(): Arrivals
  close(): Promise<void>
}

export interface ServeOptions extends Pick<EngineOptions, 'resolve' | 'nameServer' | 'maxInFlight' | 'vantages'> {
  readonly responders?: { start(handOver: HandOver): Promise<ThreadResponders> }
}

/** Interval at which changed counters are sent. */
const countMs = 1_000

/**
 * Probes in this thread for the other end of the port until it receives `stop`. Also runs responders, if there are any. Resolves when
 * they listen; rejects if they cannot.
 */
export async function serveProber(port: MessagePort, { responders, ...options }: ServeOptions): Promise<void> {
  const send = (message: FromThread) => port.postMessage(message)
  const engine = createEngine({
    ...options,
    onStray: (protocol, stray) => send({ kind: 'stray', protocol, stray }),
    onBatch: (batch) => send({ kind: 'results', ...batch }),
  })
  const underWay = new Map<number, () => void>()
  let isStopping = false

  const attempt = async (id: number, request: AttemptRequest) => {
    try {
      const { result, cancel } = engine.start(request)
      underWay.set(id, cancel)
      send({ kind: 'result', id, result: await result })
    } catch (error) {
      send(misuseOf(id, error))
    }
    underWay.delete(id)
    closeWhenIdle()
  }

  const changeTasks = async (id: number, change: TaskChange) => {
    try {
      await engine.changeTasks(change)
      send({ kind: 'accepted', id })
    } catch (error) {
      send(misuseOf(id, error))
    }
  }

  // Attempts in progress end as cancelled, and their results are still sent.
  const closeWhenIdle = () => {
    if (isStopping && underWay.size === 0) port.close()
  }

  const asked = new Map<number, (content: object | undefined) => void>()
  let askedCount = 0
  const handOver: HandOver = (path, request) =>
    new Promise((resolve) => {
      const id = askedCount++
      asked.set(id, resolve)
      send({ kind: 'request', id, path, request })
    })

  const started = responders?.start(handOver).then((answering) => announce(answering, send))
  let stopping: Promise<void> | undefined

  const stop = async () => {
    await (await started)?.stop()
    isStopping = true
    engine.close()
    closeWhenIdle()
  }

  port.on('message', (message: ToThread) => {
    switch (message.kind) {
      case 'attempt':
        return void attempt(message.id, message)
      case 'cancel':
        return underWay.get(message.id)?.()
      case 'end session':
        return engine.endSession(message.session)
      case 'tasks':
        return void changeTasks(message.id, message)
      case 'answered':
        asked.get(message.id)?.(message.content)
        return void asked.delete(message.id)
      case 'ping':
        return send({ kind: 'pong' })
      case 'stop':
        stopping ??= stop()
        return
    }
  })
  await started
}

/** Returns the message about misuse. Rethrows any other error: a bug, which ends this thread, and which the other one receives as `error`. */
function misuseOf(id: number, error: unknown): FromThread {
  if (!(error instanceof ScoutError)) throw error
  return { kind: 'misuse', id, code: error.code, message: error.message }
}

interface Answering {
  stop(): Promise<void>
}

/** Sends the responders' port, and whenever their counters change, what they count. */
function announce(responders: ThreadResponders, send: (message: FromThread) => void): Answering {
  let sent = ''
  const count = () => {
    const counters = responders.counters()
    const text = JSON.stringify(counters)
    if (text !== sent) send({ kind: 'counted', counters, arrivals: responders.arrivals() })
    sent = text
  }
  const timer = setInterval(count, countMs)
  count()
  send({ kind: 'listening', port: responders.port })
  return {
    async stop() {
      clearInterval(timer)
      await responders.close()
    },
  }
}

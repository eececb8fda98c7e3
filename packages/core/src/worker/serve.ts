import type { MessagePort } from 'node:worker_threads'
import { createEngine, type EngineOptions } from '../engine.ts'
import { ScoutError } from '../errors.ts'
import type { FromWorker, ToWorker } from './messages.ts'

/** Probes in this thread for whoever holds the other end of the port, until told to close. */
export function serveProber(port: MessagePort, options: Pick<EngineOptions, 'resolve' | 'nameServer'>): void {
  const send = (message: FromWorker) => port.postMessage(message)
  const engine = createEngine({ ...options, onStray: (protocol, stray) => send({ kind: 'stray', protocol, stray }) })
  const underWay = new Map<number, AbortController>()
  const attempts = new Set<Promise<void>>()

  const attempt = async (id: number, request: { protocol: string; target: string; options: object }) => {
    const controller = new AbortController()
    underWay.set(id, controller)
    try {
      send({ kind: 'result', id, result: await engine.attempt({ ...request, signal: controller.signal }) })
    } catch (error) {
      // Anything else is a defect: it ends this thread, and its 'error' event tells the other.
      if (!(error instanceof ScoutError)) throw error
      send({ kind: 'misuse', id, code: error.code, message: error.message })
    } finally {
      underWay.delete(id)
    }
  }

  port.on('message', (message: ToWorker) => {
    switch (message.kind) {
      case 'attempt': {
        const running = attempt(message.id, message).finally(() => attempts.delete(running))
        return void attempts.add(running)
      }
      case 'cancel':
        return underWay.get(message.id)?.abort()
      case 'close':
        engine.close()
        // What was under way ends as cancelled, and is still told.
        return void Promise.all(attempts).then(() => port.close())
    }
  })
}

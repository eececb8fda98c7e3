import type { MessagePort } from 'node:worker_threads'
import { ScoutError } from '../../model/errors.ts'
import { type AttemptRequest, createEngine, type EngineOptions } from '../engine.ts'
import type { FromWorker, ToWorker } from './messages.ts'

/** Probes in this thread for whoever holds the other end of the port, until told to close. */
export function serveProber(
  port: MessagePort,
  options: Pick<EngineOptions, 'resolve' | 'nameServer' | 'vantages'>,
): void {
  const send = (message: FromWorker) => port.postMessage(message)
  const engine = createEngine({ ...options, onStray: (protocol, stray) => send({ kind: 'stray', protocol, stray }) })
  const underWay = new Map<number, () => void>()
  let isClosing = false

  const attempt = async (id: number, request: AttemptRequest) => {
    try {
      const { result, cancel } = engine.start(request)
      underWay.set(id, cancel)
      send({ kind: 'result', id, result: await result })
    } catch (error) {
      // Anything else is a defect: it ends this thread, and its 'error' event tells the other.
      if (!(error instanceof ScoutError)) throw error
      send({ kind: 'misuse', id, code: error.code, message: error.message })
    }
    underWay.delete(id)
    closeWhenIdle()
  }

  // What was under way ends as cancelled, and is still told.
  const closeWhenIdle = () => {
    if (isClosing && underWay.size === 0) port.close()
  }

  port.on('message', (message: ToWorker) => {
    switch (message.kind) {
      case 'attempt':
        return void attempt(message.id, message)
      case 'cancel':
        return underWay.get(message.id)?.()
      case 'end session':
        return engine.endSession(message.session)
      case 'close':
        isClosing = true
        engine.close()
        return closeWhenIdle()
    }
  })
}

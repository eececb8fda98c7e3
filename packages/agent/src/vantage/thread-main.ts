import { parentPort, workerData } from 'node:worker_threads'
import { nameServerOrSystem, type RouteRequest, resolveBySystem, serveProber } from '@scout/core'
import { type FromThread, type ThreadData, type ToThread, threadData } from './messages.ts'
import { startResponders } from './vantage.ts'

/** How often the counters are told, when they have changed. */
const tellMs = 1_000

if (parentPort !== null) await serveVantage(parentPort, threadData.parse(workerData))

async function serveVantage(port: NonNullable<typeof parentPort>, { responder, paths }: ThreadData): Promise<void> {
  const send = (message: FromThread) => port.postMessage(message)
  const open = new Map<number, (content: object | undefined) => void>()
  let ids = 0

  const ask = (path: string, request: RouteRequest) =>
    new Promise<object | undefined>((resolve) => {
      const id = ids++
      open.set(id, resolve)
      send({ kind: 'requested', id, path, request })
    })

  const responders = await startResponders(responder, ask, paths)
  let told = ''
  const tell = () => {
    const counters = responders.counters()
    const text = JSON.stringify(counters)
    if (text !== told) send({ kind: 'counted', counters })
    told = text
  }
  const timer = setInterval(tell, tellMs)

  port.on('message', (message: ToThread) => {
    switch (message.kind) {
      case 'answered':
        open.get(message.id)?.(message.content)
        return void open.delete(message.id)
      case 'ping':
        return send({ kind: 'pong' })
      case 'stop':
        clearInterval(timer)
        return void responders.close().then(() => send({ kind: 'stopped' }))
    }
  })
  serveProber(port, { resolve: resolveBySystem, nameServer: nameServerOrSystem() })
  tell()
  send({ kind: 'listening', port: responders.port })
}

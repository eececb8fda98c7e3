import { parentPort, workerData } from 'node:worker_threads'
import { nameServerOrSystem, resolveBySystem, serveProber } from '@scout/core'
import { giveBackHeap } from '../spare-memory.ts'
import { startResponders, threadData } from './vantage.ts'

if (parentPort !== null) {
  giveBackHeap()
  const { responder, maxInFlight, ...routes } = threadData.parse(workerData)
  await serveProber(parentPort, {
    resolve: resolveBySystem,
    nameServer: nameServerOrSystem(),
    maxInFlight,
    responders: { start: (handOver) => startResponders(responder, handOver, routes) },
  })
}

import { parentPort, workerData } from 'node:worker_threads'
import { z } from 'zod'
import { nameServerOrSystem } from '../../net/host/resolv-conf.ts'
import { resolveBySystem } from '../../net/host/resolve.ts'
import { serveProber } from './serve.ts'

const settings = z.object({
  nameServer: z.string().optional(),
  maxInFlight: z.number().optional(),
  vantages: z.record(z.string(), z.string()).optional(),
})
const { nameServer, ...others } = settings.parse(workerData)

if (parentPort !== null)
  await serveProber(parentPort, { resolve: resolveBySystem, nameServer: nameServerOrSystem(nameServer), ...others })

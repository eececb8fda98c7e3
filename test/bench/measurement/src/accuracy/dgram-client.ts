import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { decode, encode } from 'dns-packet'
import { z } from 'zod'
import { sleep } from '../stage/tool.ts'
import type { Sample } from './sample.ts'

/*
 * What a prober without kernel stamps does at best: a connected socket of node:dgram, and the monotonic clock just before the packet is
 * handed over and first thing when its answer is told.
 */
const { kind, address, port, count, intervalMs } = z
  .object({ kind: z.enum(['echo', 'dns']), address: z.string(), port: z.int(), count: z.int(), intervalMs: z.number() })
  .parse(JSON.parse(process.argv[2] ?? ''))

const socket = createSocket('udp4')
const sentNs = new Map<number, bigint>()
const tookNs = new Map<number, number>()
socket.on('message', (bytes) => {
  const nowNs = process.hrtime.bigint()
  const id = kind === 'dns' ? (decode(bytes).id ?? 0) : bytes.readUInt32BE(8)
  const departedNs = sentNs.get(id)
  if (departedNs !== undefined) tookNs.set(id, Number(nowNs - departedNs))
})
socket.connect(port, address)
await once(socket, 'connect')
for (let id = 0; id < count; id++) {
  const bytes = kind === 'dns' ? question(id) : echo(id)
  sentNs.set(id, process.hrtime.bigint())
  socket.send(bytes)
  await sleep(intervalMs)
}
await sleep(200) // for the last answer
socket.close()
const samples = Array.from({ length: count }, (_, id): Sample => {
  const roundTrip = tookNs.get(id)
  return { to: address, timesNs: roundTrip === undefined ? {} : { 'round trip': roundTrip } }
})
process.stdout.write(JSON.stringify({ samples }))

function question(id: number): Buffer {
  return encode({ type: 'query', id, questions: [{ name: 'bench.test', type: 'A', class: 'IN' }] })
}

function echo(id: number): Buffer {
  const bytes = Buffer.alloc(64)
  bytes.writeUInt32BE(id, 8)
  return bytes
}

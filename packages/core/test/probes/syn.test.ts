import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { expect, onTestFinished } from 'vitest'
import { eventually } from '../../../../test/support/eventually.ts'
import { capability, testWith } from '../../../../test/support/requirements.ts'
import { createProber } from '../../src/attempt/prober.ts'
import { tcpPortFilter } from '../../src/net/native/socket-filter.ts'
import type { SeenFlows } from '../../src/probes/flows.ts'
import { readUint16, readUint32, writeUint16, writeUint32 } from '../../src/wire/bytes.ts'
import { internetChecksum } from '../../src/wire/checksum.ts'
import { nativePresent, record } from '../net/native/timed-sockets.ts'

const flag = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32 } as const
const host = '127.0.0.1'

const test = testWith(nativePresent, capability('CAP_NET_RAW'))

test.for([
  ['ACK', flag.ack],
  ['ACK and PSH', flag.ack | flag.psh],
  ['ACK and FIN', flag.ack | flag.fin],
  ['ACK and URG', flag.ack | flag.urg],
  ['SYN', flag.syn],
  ['RST', flag.rst],
] as const)('a segment with only %s answers nothing, and the attempt waits on', async ([, flags]) => {
  const { port, answer } = await silentPort()
  const prober = createProber()
  onTestFinished(() => prober.close())
  const silent = prober.probe('syn', `${host}:${port}`, { timeoutMs: 300 })
  await answer([flags])
  expect(await silent).toMatchObject({ ok: false, failure: { reason: 'timeout' } })

  const answered = prober.probe('syn', `${host}:${port}`, { timeoutMs: 5_000 })
  await answer([flags, flag.syn | flag.ack])
  expect(await answered).toMatchObject({ ok: true })
})

test('a reset that acknowledges the SYN is a refusal', async () => {
  const { port, answer } = await silentPort()
  const prober = createProber()
  onTestFinished(() => prober.close())
  const refused = prober.probe('syn', `${host}:${port}`, { timeoutMs: 5_000 })
  await answer([flag.rst | flag.ack])
  expect(await refused).toMatchObject({ ok: false, failure: { reason: 'refused' } })
})

test('one attempt may use several source ports, and those that fail keep failing', async () => {
  const server = createServer((socket) => socket.destroy()).listen(0, host)
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const prober = createProber()
  onTestFinished(() => prober.close())
  const ask = () => prober.probe('syn', `${host}:${port}`, { flows: 16, timeoutMs: 5_000 })
  const [one, other] = [await ask(), await ask()]
  expect(one).toMatchObject({ ok: true, packets: { sent: 16, returned: 16, reordered: 0 } })
  expect(new Set(portsOf(one)).size).toBe(16)
  expect(portsOf(other)).toEqual(portsOf(one))
})

function portsOf({ detail }: { readonly detail?: SeenFlows }): readonly unknown[] {
  return detail?.flows?.map(({ sourcePort }) => sourcePort) ?? []
}

/** Listens without accepting. Linux drops a SYN to a port whose accept queue is full (listen(2), net.ipv4.tcp_abort_on_overflow). */
const neverAccepting = `
  const server = require('node:net').createServer().listen({ port: 0, host: '${host}', backlog: 1 }, () => {
    require('node:fs').writeSync(1, String(server.address().port))
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  })
`

/** Finds a port that this host does not answer, whose SYNs the test answers. */
async function silentPort() {
  const child = spawn(process.execPath, ['-e', neverAccepting], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const [text] = (await once(child.stdout, 'data')) as [Buffer]
  const port = Number(text)
  const fillers = [connect(port, host), connect(port, host)]
  for (const filler of fillers) onTestFinished(() => void filler.destroy())
  await Promise.all(fillers.map((filler) => once(filler, 'connect')))
  const { socket, arrivals } = record({ kind: 'tcp4', filter: tcpPortFilter([port], 128) })
  return {
    port,
    /** Waits for a SYN, and answers it with segments of these flags, all of which acknowledge it. */
    async answer(flagsOfSegments: readonly number[]): Promise<void> {
      arrivals.length = 0
      const isSyn = ({ bytes }: { readonly bytes: Uint8Array }) =>
        readUint16(bytes, 2) === port && bytes[13] === flag.syn
      await eventually(() => arrivals.some(isSyn), 'a SYN')
      const syn = arrivals.find(isSyn)?.bytes ?? new Uint8Array()
      for (const flags of flagsOfSegments) socket.send(answerTo(syn, flags), host, 0)
    },
  }
}

function answerTo(syn: Uint8Array, flags: number): Uint8Array {
  const segment = new Uint8Array(20)
  writeUint16(segment, 0, readUint16(syn, 2))
  writeUint16(segment, 2, readUint16(syn, 0))
  writeUint32(segment, 4, 1)
  writeUint32(segment, 8, (readUint32(syn, 4) + 1) % 2 ** 32)
  segment[12] = 5 << 4
  segment[13] = flags
  writeUint16(segment, 14, 1_024)
  // Over the addresses, too (RFC 9293 §3.1).
  const pseudoHeader = Uint8Array.of(127, 0, 0, 1, 127, 0, 0, 1, 0, 6, 0, segment.length)
  writeUint16(segment, 16, internetChecksum(Buffer.concat([pseudoHeader, segment])))
  return segment
}

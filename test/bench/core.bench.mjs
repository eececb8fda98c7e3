// What the library itself costs, beside the network: the runner around a probe that does nothing, and every wire format.

import { probes } from '@scout/core'
import { Bench } from 'tinybench'
import { prepare, run } from '../../packages/core/dist/attempt/run.js'
import { createSockets } from '../../packages/core/dist/net/sockets.js'
import { defineProbe } from '../../packages/core/dist/probes/probe.js'
import { OwnSession } from '../../packages/core/dist/probes/session.js'
import { createTally } from '../../packages/core/dist/statistics/statistics.js'
import { createDeadlines } from '../../packages/core/dist/time/deadline.js'
import { internetChecksum } from '../../packages/core/dist/wire/checksum.js'
import { encodeDnsQuestion } from '../../packages/core/dist/wire/dns.js'
import { readDnsAnswer } from '../../packages/core/dist/wire/dns-answer.js'
import { echoKindOf, encodeEcho } from '../../packages/core/dist/wire/icmp.js'
import { ipPacket } from '../../packages/core/dist/wire/ip.js'
import { decodeStampRequest, encodeStampRequest, isGenuineStamp } from '../../packages/core/dist/wire/stamp.js'
import { encodeNumber } from '../../packages/core/dist/wire/stamp-question.js'
import { timestampOf } from '../../packages/core/dist/wire/stamp-time.js'

const idle = /** @type {import('@scout/core').Probe} */ (
  defineProbe({
    protocol: 'idle',
    summary: 'do nothing',
    targetForm: 'host:port',
    needs: 'handshake',
    phases: { wait: 'nothing' },
    options: probes.udp.options,
    async measure({ stopwatch }) {
      stopwatch.enter('wait')
      return {}
    },
  })
)
const deadlines = createDeadlines()
const sockets = createSockets({ onStray: () => {} })
const asked = { target: '127.0.0.1:8081', options: { timeoutMs: 1000 } }
const request = prepare(idle, asked, { nameServer: () => '127.0.0.1' })
const attempt = () => {
  const deadline = deadlines.start(request.options.timeoutMs)
  return run(idle, request, {
    sockets,
    resolve: async () => [{ address: '127.0.0.1', family: 'ipv4' }],
    deadline,
    session: new OwnSession(),
    onEnded: () => deadlines.clear(deadline),
  })
}
const result = await attempt()
const tally = createTally()

const stampFields = {
  sequence: 2,
  sent: timestampOf(1_698_685_789_500_000_000n, 'ntp'),
  estimate: { format: /** @type {const} */ ('ntp'), isSynchronized: false, errorNs: 1e9 },
  ssid: 7,
}
const encodeStamp = () => encodeStampRequest(stampFields, encodeNumber(2n, 124, 'key'), 'key')
const stamp = encodeStamp()
const icmp = { kind: /** @type {const} */ ('reply'), identifier: 1, sequence: 2, payload: new Uint8Array(56) }
const message = encodeEcho('ipv4', icmp)
const packet = Uint8Array.of(0x45, ...new Uint8Array(19), ...message)
const question = {
  id: 1,
  name: 'kubernetes.default.svc.cluster.local',
  type: /** @type {const} */ ('A'),
  isRecursive: true,
  ednsBytes: 1232,
  hasRandomCase: false,
}
const query = encodeDnsQuestion(question)
// The question sent back with one record behind it: its name a pointer to the question's, type A, class IN, 5 s, 10.96.0.1.
const answer = Buffer.concat([
  encodeDnsQuestion({ ...question, ednsBytes: 0 }),
  Buffer.from('c00c00010001000000050004' + '0a600001', 'hex'),
])
answer.writeUInt16BE(0x8180, 2)
answer.writeUInt16BE(1, 6)
const large = new Uint8Array(1472)

const bench = new Bench({ name: '@scout/core', time: 300, throws: true })
bench
  .add('run: prepare', () => prepare(idle, asked, { nameServer: () => '127.0.0.1' }))
  .add('run: one attempt of an idle probe', attempt)
  .add('statistics: add a result', () => tally.add(result))
  .add('stamp: encode 124 bytes, authenticated', encodeStamp)
  .add(
    'stamp: decode and verify 124 bytes',
    () => decodeStampRequest(stamp, 'key') !== undefined && isGenuineStamp(stamp, 'key'),
  )
  .add('icmp: encode 64 bytes', () => encodeEcho('ipv4', icmp))
  .add('icmp: decode 84 bytes with their IP header', () => echoKindOf('ipv4', ipPacket(packet)?.payload ?? large))
  .add('dns: encode a question', () => encodeDnsQuestion({ ...question, hasRandomCase: true }))
  .add('dns: decode an answer', () => readDnsAnswer(answer, query, true))
  .add('checksum: 1472 bytes', () => internetChecksum(large))

await bench.run()
console.log(bench.name)
console.table(bench.table())

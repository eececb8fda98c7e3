import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { expect, onTestFinished } from 'vitest'
import { capability, testWith } from '../../../../../test/support/requirements.ts'
import { createProber } from '../../../src/attempt/prober.ts'
import { openTimedSocket } from '../../../src/net/native/timed-socket.ts'
import { readUint16, writeUint16 } from '../../../src/wire/bytes.ts'
import { internetChecksum } from '../../../src/wire/checksum.ts'
import { ipPacket } from '../../../src/wire/ip.ts'
import { native, nativePresent, record } from '../native/timed-sockets.ts'

const test = testWith(nativePresent, capability('CAP_NET_RAW'))

/** Label 16001, class 3, bottom of the stack, TTL 1 (RFC 4950 §3), with its checksum. */
const extension = Buffer.from('2000c40d' + '00080101' + '03e81701', 'hex')

test('shows the MPLS labels that a router reports', async () => {
  const port = await deafPort()
  labelRouter(port)
  const prober = createProber()
  onTestFinished(() => prober.close())
  const { detail } = await prober.probe('trace', `127.0.0.2:${port}`, {
    transport: 'udp',
    count: 1,
    maxHops: 5,
    waitMs: 200,
  })
  expect(detail?.flows?.[0]?.hops[0]?.from).toMatchObject([
    {
      address: '127.0.0.1',
      icmp: { type: 11, code: 0 },
      labels: [{ label: 16_001, trafficClass: 3, ttl: 1, isBottom: true }],
    },
  ])
})

/** Returns a port that receives datagrams and answers none. */
async function deafPort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.2')
  onTestFinished(() => void socket.close())
  await once(socket, 'listening')
  return socket.address().port
}

/** Answers each datagram to this port as a router of an MPLS network does whose TTL has expired (RFC 4884 §5.4). */
function labelRouter(port: number): void {
  const answers = record({ kind: 'icmp4' }).socket
  const options = { kind: 'observer', packetBytes: 2048, bufferBytes: 1 << 20 } as const
  const observer = openTimedSocket(native(), options, {
    arrived({ bytes, isOutgoing }) {
      const packet = ipPacket(bytes)
      if (!isOutgoing || packet?.protocol !== 17 || readUint16(packet.payload, 2) !== port) return
      const message = Buffer.concat([Uint8Array.of(11, 0, 0, 0, 0, 32, 0, 0), Buffer.concat([bytes], 128), extension])
      writeUint16(message, 2, internetChecksum(message))
      answers.send(message, '127.0.0.1', 0)
    },
    failed() {},
    overflowed() {},
  })
  onTestFinished(() => observer.close())
}

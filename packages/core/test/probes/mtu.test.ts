import { expect, onTestFinished } from 'vitest'
import { runAlone } from '../../../../test/support/alone.ts'
import { canDropRawSockets, namespaces, startUnprivileged } from '../../../../test/support/child.ts'
import { nativePart, testWith, withoutNativePart } from '../../../../test/support/requirements.ts'
import { probe } from '../../src/attempt/prober.ts'
import { startUdpResponder } from '../../src/responders/udp.ts'

async function responder(): Promise<string> {
  const { port, close } = await startUdpResponder({ host: '127.0.0.1', port: 0 })
  onTestFinished(close)
  return `127.0.0.1:${port}`
}

testWith(nativePart, canDropRawSockets)('without ICMP it asks by UDP, and says what it could not ask', async () => {
  const child = await startUnprivileged()
  onTestFinished(() => child.close())
  const result = await child.probe('mtu', await responder())
  expect(result).toMatchObject({
    ok: true,
    detail: {
      verdict: 'full',
      pathMtu: 65_535,
      askedBy: ['STAMP'],
      unknown: [
        expect.stringMatching(/^ICMP echo was not used: cannot open an ICMP socket: this process lacks CAP_NET_RAW /),
        expect.stringMatching(/^whether TCP gets through: port \d+ does not answer HTTP as a Scout responder$/),
      ],
    },
  })
})

testWith(nativePart)('a responder with another key is not asked', async () => {
  const { port, close } = await startUdpResponder({ host: '127.0.0.1', port: 0, key: 'theirs' })
  onTestFinished(close)
  const target = `127.0.0.1:${port}`
  expect(await probe('mtu', target, { key: 'theirs' })).toMatchObject({ ok: true })
  const result = await probe('mtu', target, { key: 'ours' })
  expect(result.detail?.askedBy).not.toContain('STAMP')
})

testWith(withoutNativePart)('is not supported without the native part, which alone can send with DF', async () => {
  const result = await probe('mtu', await responder())
  expect(result).toMatchObject({ ok: false, failure: { reason: 'not-supported' } })
})

testWith(
  'ip',
  namespaces,
  nativePart,
)('a target that cuts off its answers tests only the way there', () => {
  const [result] = runAlone(`
    import { writeFileSync } from 'node:fs'
    const { openRaw, withChecksum } = await import(process.env.RAW)
    const { probe } = await import(process.env.CORE)
    writeFileSync('/proc/sys/net/ipv4/icmp_echo_ignore_all', '1')
    const raw = openRaw('ICMP')
    raw.onPacket((packet, from) => {
      const request = packet.subarray((packet[0] & 15) * 4)
      if (request[0] === 8) raw.send(withChecksum(Buffer.concat([Buffer.of(0), request.subarray(1, 72)])), from)
    })
    console.log(JSON.stringify(await probe('mtu', '127.0.0.1')))
    process.exit()
  `)
  expect(result).toMatchObject({ ok: true, detail: { verdict: 'full', pathMtu: 65_535, askedBy: ['ICMP echo'] } })
  expect(result).toMatchObject({ detail: { unknown: [expect.stringMatching(/^the way back was not tested/)] } })
  expect(result).not.toHaveProperty('detail.back')
})

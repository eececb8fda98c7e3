import { describe, expect, test } from 'vitest'
import { runAlone, withoutRawSockets } from '../../../../test/support/alone.ts'
import { canDropRawSockets, namespaces } from '../../../../test/support/child.ts'
import { describeWith, nativePart } from '../../../../test/support/requirements.ts'
import { reasons } from '../../src/model/failure.ts'
import { icmpFailure, icmpMeaningOf } from '../../src/model/icmp.ts'

const to = { family: 'ipv4', address: '192.0.2.9' } as const

test.for([
  [{ type: 3, code: 3 }, 'ipv4', 'refused'],
  [{ type: 3, code: 1 }, 'ipv4', 'unreachable'],
  [{ type: 3, code: 10 }, 'ipv4', 'prohibited'],
  [{ type: 3, code: 13 }, 'ipv4', 'prohibited'],
  [{ type: 3, code: 4 }, 'ipv4', 'too-big'],
  [{ type: 11, code: 0 }, 'ipv4', 'expired'],
  [{ type: 11, code: 1 }, 'ipv4', 'expired'],
  [{ type: 12, code: 0 }, 'ipv4', 'unreachable'],
  [{ type: 1, code: 1 }, 'ipv6', 'prohibited'],
  [{ type: 3, code: 0 }, 'ipv6', 'expired'],
  [{ type: 2, code: 0 }, 'ipv6', 'too-big'],
  [{ type: 4, code: 1 }, 'ipv6', 'unreachable'],
] as const)('ICMP %o over %s means %s, and the error is kept as data', ([{ type, code }, family, reason]) => {
  const icmp = { type, code, from: '192.0.2.1' }
  expect(icmpFailure(icmp, { family, address: '192.0.2.9' })).toMatchObject({
    reason,
    icmp,
    code: `ICMP ${type}/${code}`,
  })
})

describe('the sentence', () => {
  const sentenceOf = (type: number, code: number, mtu?: number) =>
    icmpFailure({ type, code, from: '192.0.2.1', ...(mtu === undefined ? {} : { mtu }) }, to).message

  test('about an expired TTL speaks of a loop, not of a missing route', () => {
    expect(sentenceOf(11, 0)).toMatchInlineSnapshot(
      `"192.0.2.1 answered with ICMP type 11 code 0 to a packet for 192.0.2.9 (the packet crossed more routers than its TTL allows: look for a routing loop)"`,
    )
    expect(sentenceOf(11, 1)).toContain('not all fragments of the packet arrived in time')
  })

  test('about a packet that is too big for a router does not blame this host', () => {
    expect(sentenceOf(3, 4, 1200)).toMatchInlineSnapshot(
      `"192.0.2.1 answered with ICMP type 3 code 4 to a packet for 192.0.2.9, next-hop MTU 1200 bytes (a router cannot forward a packet of this size in one piece: choose a smaller payload, or correct the MTU of the path)"`,
    )
  })

  test('says whether the target itself sent the error', () => {
    const { message } = icmpFailure({ type: 3, code: 13, from: '192.0.2.9' }, to)
    expect(message).toMatch(/^192\.0\.2\.9 itself answered with ICMP type 3 code 13 \(a firewall/)
  })

  test('speaks of a missing route only where a route is missing', () => {
    const aboutRoutes = [3, 11, 12].flatMap((type) =>
      Array.from({ length: 16 }, (_, code) => `${type}/${code}`).filter((id) => {
        const [, code = '0'] = id.split('/')
        return icmpMeaningOf('ipv4', { type, code: Number(code) })?.says.includes('no route to it') === true
      }),
    )
    expect(aboutRoutes).toEqual(['3/0', '3/6'])
  })
})

test.for([
  ['ipv4', [0, 4, 5, 8, 9, 10, 13, 14, 17, 255]],
  ['ipv6', [128, 129, 133, 135, 137, 255]],
] as const)('over %s messages that are no errors mean none', ([family, types]) => {
  for (const type of types) expect(icmpMeaningOf(family, { type, code: 0 })).toBeUndefined()
})

test('every error has a reason that exists, whatever its code', () => {
  for (const [family, types] of [
    ['ipv4', [3, 11, 12]],
    ['ipv6', [1, 2, 3, 4, 100, 127]],
  ] as const) {
    for (const type of types)
      for (let code = 0; code < 256; code++) {
        const { reason, says } = icmpMeaningOf(family, { type, code }) ?? {}
        expect(reasons).toHaveProperty(reason ?? 'none')
        expect(says).not.toBe('')
      }
  }
})

describeWith(
  nativePart,
  'ip',
  namespaces,
  canDropRawSockets,
)('a redirect and a source quench', () => {
  test.for(['a ping socket', 'a raw socket'] as const)('before the reply do not end an attempt of %s', (kind) => {
    const [result] = runAlone(redirecting, { WRAPPER: kind === 'a ping socket' ? withoutRawSockets : 'env' })
    expect(result).toMatchObject({ ok: true, strays: [] })
  })
})

/** Answers each ping with two messages that are no errors, and then with its reply. */
const redirecting = `
  import { execFile } from 'node:child_process'
  import { writeFileSync } from 'node:fs'
  const { openRaw, withChecksum } = await import(process.env.RAW)
  writeFileSync('/proc/sys/net/ipv4/ping_group_range', '0 0')
  writeFileSync('/proc/sys/net/ipv4/icmp_echo_ignore_all', '1')
  const raw = openRaw('ICMP')
  raw.onPacket((packet, from) => {
    const message = packet.subarray((packet[0] & 15) * 4)
    if (message[0] !== 8) return
    for (const head of [[5, 1, 0, 0, 127, 0, 0, 1], [4, 0, 0, 0, 0, 0, 0, 0]])
      raw.send(withChecksum(Buffer.concat([Buffer.from(head), packet])), from)
    raw.send(withChecksum(Buffer.concat([Buffer.of(0), message.subarray(1)])), from)
  })
  const probing = "import(process.env.CORE).then(async ({ createProber }) => {" +
    "const strays = []; const prober = createProber({ onStray: (protocol, stray) => strays.push(stray) });" +
    "const { ok, failure } = await prober.probe('icmp', '127.0.0.1', { timeoutMs: 5000 });" +
    "console.log(JSON.stringify({ ok, failure, strays })); prober.close() })"
  const [file, ...args] = [...process.env.WRAPPER.split(' '), process.execPath, '-e', probing]
  execFile(file, args, (error, printed) => {
    console.log(printed.trim())
    raw.close()
    process.exit(error === null ? 0 : 1)
  })
`

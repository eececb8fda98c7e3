import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { runAlone, withoutRawSockets } from '../../../../test/support/alone.ts'
import { assertBuilt } from '../../../../test/support/built.ts'
import {
  type Child,
  canDropRawSockets,
  linkLocalAddress,
  namespaces,
  routed,
  silentAddress,
  startInNamespace,
  startUnprivileged,
} from '../../../../test/support/child.ts'
import {
  capability,
  describeWith,
  nativePart,
  testWith,
  withoutNativePart,
} from '../../../../test/support/requirements.ts'
import { listenTcp } from '../../../../test/support/servers.ts'
import { createProber, probe } from '../../src/attempt/prober.ts'

const itPrivileged = testWith(capability('CAP_NET_RAW'))

itPrivileged.for([
  ['127.0.0.1', '127.0.0.1', 'ipv4'],
  ['::1', '::1', 'ipv6'],
  ['0:0::1', '::1', 'ipv6'],
] as const)('times an echo of %s', async ([target, address, family]) => {
  const result = await probe('icmp', target)
  expect(result).toMatchObject({ ok: true, endpoint: { address, family }, detail: { payloadBytes: 56 } })
  expect(result.totalNs).toBe(result.phasesNs.echo)
  expect(result.totalNs).toBeGreaterThan(0)
})

itPrivileged('reports the TTL of an IPv4 reply', async () => {
  expect(await probe('icmp', '127.0.0.1')).toMatchObject({ ok: true, detail: { ttl: 64 } })
})

itPrivileged.for([12, 1472, 65_507])('carries a payload of %i bytes', async (payloadBytes) => {
  expect(await probe('icmp', '127.0.0.1', { payloadBytes })).toMatchObject({ ok: true, detail: { payloadBytes } })
})

itPrivileged('does not mix up replies, although all attempts share one socket', async () => {
  const strays: string[] = []
  const [prober, other] = [1, 2].map(() => createProber({ onStray: (_, { kind }) => strays.push(kind) }))
  onTestFinished(() => {
    prober?.close()
    other?.close()
  })
  const results = await Promise.all(
    Array.from({ length: 40 }, async (_, index) => {
      const chosen = index % 2 === 0 ? prober : other
      return chosen?.probe('icmp', `127.0.0.${1 + (index % 10)}`)
    }),
  )
  expect(results.filter((result) => result?.ok !== true)).toEqual([])
  expect(strays).toEqual([])
})

testWith(canDropRawSockets)('fails as not-permitted without CAP_NET_RAW, and names what to add', async () => {
  const child = await startUnprivileged()
  onTestFinished(() => child.close())
  const result = await child.probe('icmp', '127.0.0.1')
  expect(result).toMatchObject({ ok: false, failure: { reason: 'not-permitted', phase: 'setup' } })
  expect(result.ok ? '' : result.failure.message).toContain(
    'this process lacks CAP_NET_RAW (in a pod: securityContext.capabilities.add: ["NET_RAW"]; on a host: run as root)',
  )
  // Other probes are not affected.
  expect(await child.probe('tcp', `127.0.0.1:${await listenTcp(() => {})}`)).toMatchObject({ ok: true })
})

testWith(withoutNativePart)('fails as not-supported in a worker thread, where raw-socket would crash', async () => {
  assertBuilt('packages/core')
  const library = new URL('../../dist/index.js', import.meta.url).href
  const worker = new Worker(
    `import('${library}')
       .then(({ probe }) => probe('icmp', '127.0.0.1'))
       .then((result) => require('node:worker_threads').parentPort.postMessage(result))`,
    { eval: true },
  )
  onTestFinished(async () => void (await worker.terminate()))
  const [result] = await once(worker, 'message')
  expect(result).toMatchObject({ ok: false, failure: { reason: 'not-supported', phase: 'setup' } })
})

describeWith('ip', namespaces)('in a separate network', () => {
  let child: Child
  beforeAll(async () => {
    child = await startInNamespace()
    return () => child.close()
  })

  test('reaches a link-local address with a zone', async () => {
    expect(await child.probe('icmp', linkLocalAddress)).toMatchObject({
      ok: true,
      endpoint: { address: linkLocalAddress },
    })
  })

  test('fails as timeout if nothing comes back', async () => {
    const timeoutMs = 100
    const result = await child.probe('icmp', silentAddress, { timeoutMs })
    expect(result).toMatchObject({ failure: { reason: 'timeout', phase: 'echo' } })
    expect(result.totalNs / 1e6 / timeoutMs).toBeLessThan(2)
  })

  test.for([
    ['unreachable', 'unreachable', 'EHOSTUNREACH'],
    ['prohibit', 'prohibited', 'EACCES'],
    ['blackhole', 'unreachable', 'EINVAL'],
  ] as const)('fails by the kind of its route: %s is %s', async ([route, reason, code]) => {
    for (const address of routed[route])
      expect(await child.probe('icmp', address)).toMatchObject({ ok: false, failure: { reason, code } })
  })
})

// Without the native part there are no ping sockets.
const kindsOfSocket = nativePart.isMet ? (['a raw socket', 'a ping socket'] as const) : (['a raw socket'] as const)

describeWith(
  'ip',
  namespaces,
  canDropRawSockets,
)('a target that answers an echo oddly, seen by', () => {
  describe.for(kindsOfSocket)('%s', (kind) => {
    const results = new Map<string, OddResult>()
    beforeAll(() => {
      const wrapper = kind === 'a ping socket' ? withoutRawSockets : 'env'
      for (const result of runAlone(oddEchoes, { WRAPPER: wrapper }) as readonly OddResult[])
        results.set(result.manner, result)
    })

    test.for([
      ['cut', /answered with 64 bytes instead of the 100 it was sent/],
      ['extended', /answered with 101 bytes instead of the 100 it was sent/],
      ['altered', /answered with other bytes than it was sent/],
      ['zeroed', /answered without the bytes it was sent/],
      ['headed', /answered without the bytes it was sent/],
    ] as const)('%s, fails as bad-reply', ([manner, message]) => {
      expect(results.get(manner)).toMatchObject({ reason: 'bad-reply', message: expect.stringMatching(message) })
    })

    test('with a wrong checksum, fails as bad-reply if the kernel lets it pass', () => {
      expect(results.get('corrupt')?.reason).toBe(kind === 'a raw socket' ? 'bad-reply' : 'timeout')
    })

    test('with a guess of the next number, is foreign or nothing, and the attempt goes on', () => {
      expect(results.get('guessed')).toMatchObject({ reason: 'ok' })
    })

    test('or sends the error of another ping, fails nothing', () => {
      expect(results.get('errorsOfOthers')).toMatchObject({ reason: 'ok' })
    })

    // Only the native part keeps the checksum of what it sent, by which so short a quote can be told from a guess.
    test('with an error that quotes 8 bytes of the request, is unreachable, or silent without the native part', () => {
      const reason = process.env['SCOUT_NATIVE'] === '0' ? 'timeout' : 'unreachable'
      expect(results.get('shortError')).toMatchObject({ reason })
    })

    test('duly after all that, succeeds', () => {
      expect(results.get('duly')).toMatchObject({ reason: 'ok' })
    })
  })
})

interface OddResult {
  readonly manner: string
  readonly reason: string
  readonly message?: string
}

/** Answers pings of 127.0.0.1 in one manner after the other; the prober is a process of its own, which may lack CAP_NET_RAW. */
const oddEchoes = `
  import { spawn } from 'node:child_process'
  import { createInterface } from 'node:readline'
  import { writeFileSync } from 'node:fs'
  const { openRaw, withChecksum } = await import(process.env.RAW)
  writeFileSync('/proc/sys/net/ipv4/ping_group_range', '0 0')
  writeFileSync('/proc/sys/net/ipv4/icmp_echo_ignore_all', '1')
  // An ICMP error about a request that quotes so many of its bytes.
  const errorAbout = (packet, request, bytes) =>
    withChecksum(Buffer.concat([Buffer.of(3, 1, 0, 0, 0, 0, 0, 0), packet.subarray(0, 20), request.subarray(0, bytes)]))
  const changed = (bytes, at, difference) => {
    const other = Buffer.from(bytes)
    other[at] ^= difference
    return other
  }
  const manners = {
    cut: (reply) => [reply.subarray(0, 8 + 64)],
    extended: (reply) => [Buffer.concat([reply, Buffer.of(0)])],
    altered: (reply) => [changed(reply, reply.length - 1, 1)],
    zeroed: (reply) => [Buffer.concat([reply.subarray(0, 8), Buffer.alloc(reply.length - 8)])],
    headed: (reply) => [reply.subarray(0, 8)],
    corrupt: (reply) => [changed(withChecksum(reply), 40, 1)],
    guessed: (reply) => {
      const guesses = [0, 1, 2, 3, 7, 255, 256].map((step) => {
        const guess = Buffer.from(reply)
        guess.writeBigUInt64BE(BigInt.asUintN(64, guess.readBigUInt64BE(8) + BigInt(step) + 1n), 8)
        guess.writeUInt16BE((guess.readUInt16BE(6) + step + 1) & 0xffff, 6)
        return guess
      })
      return [...guesses, reply]
    },
    errorsOfOthers: (reply, request, packet) => [
      errorAbout(packet, changed(request, 4, 0x55), request.length),
      errorAbout(packet, changed(request, 4, 0x55), 8),
      errorAbout(packet, changed(request, 7, 0x55), 8),
      errorAbout(packet, changed(request, 3, 1), 8),
      errorAbout(packet, changed(request, 8, 0x55), request.length),
      reply,
    ],
    shortError: (reply, request, packet) => [errorAbout(packet, request, 8)],
    duly: (reply) => [reply],
  }
  let manner = ''
  const raw = openRaw('ICMP')
  raw.onPacket((packet, from) => {
    const request = packet.subarray((packet[0] & 15) * 4)
    if (request[0] !== 8) return
    const reply = Buffer.concat([Buffer.of(0), request.subarray(1)])
    for (const message of manners[manner](reply, request, packet))
      raw.send(manner === 'corrupt' ? message : withChecksum(message), from)
  })
  const probing = "import(process.env.CORE).then(async ({ createProber }) => {" +
    "const prober = createProber(); for await (const manner of require('node:readline').createInterface({ input: process.stdin })) {" +
    "const { ok, failure } = await prober.probe('icmp', '127.0.0.1', { timeoutMs: manner === 'duly' ? 5000 : 300, payloadBytes: 100 });" +
    "console.log(JSON.stringify({ manner, reason: ok ? 'ok' : failure.reason, message: failure?.message })) } prober.close() })"
  const [file, ...args] = [...process.env.WRAPPER.split(' '), process.execPath, '-e', probing]
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  for (manner of Object.keys(manners)) {
    child.stdin.write(manner + '\\n')
    console.log((await lines.next()).value)
  }
  child.stdin.end()
  raw.close()
  process.exit()
`

test('rejects a payload larger than a packet can carry', async () => {
  await expect(probe('icmp', '127.0.0.1', { payloadBytes: 65_508 })).rejects.toThrow('65507')
})

import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { expect, onTestFinished, test } from 'vitest'
import { runAlone } from '../../../../../test/support/alone.ts'
import { blockFor } from '../../../../../test/support/block.ts'
import { assertBuilt } from '../../../../../test/support/built.ts'
import { namespaces } from '../../../../../test/support/child.ts'
import { eventually } from '../../../../../test/support/eventually.ts'
import { capability, describeWith, testWith } from '../../../../../test/support/requirements.ts'
import { listenTcp, listenUdp } from '../../../../../test/support/servers.ts'
import { createProber, type ProberOptions } from '../../../src/attempt/prober.ts'
import type { TaskResult } from '../../../src/attempt/task.ts'
import { engineCounts } from '../../../src/net/native/engine-thread.ts'
import { startUdpResponder } from '../../../src/responders/udp.ts'
import { decodeTcpHeader } from '../../../src/wire/tcp-header.ts'
import { createNetwork, type Network, networkNeeds } from './network.ts'
import { runWithSteppingClock } from './stepping-clock.ts'
import { nativePresent, record } from './timed-sockets.ts'

const rawSockets = [nativePresent, capability('CAP_NET_RAW')] as const

describeWith(nativePresent)('the packet engine', () => {
  test('asks eight thousand targets at once, and none is lost', async () => {
    const { port } = await respond('0.0.0.0')
    const { prober } = proberOfTest()
    const targets = Array.from({ length: 8_000 }, (_, i) => `127.1.${i >> 8}.${i & 0xff}:${port}`)
    const results = await Promise.all(targets.map((target) => prober.probe('udp', target, { timeoutMs: 20_000 })))
    expect(results.filter(({ ok }) => !ok)).toEqual([])
    expect(new Set(results.map(({ endpoint }) => endpoint?.address)).size).toBe(8_000)
  })

  test('counts the results of tasks that find its memory full, and goes on', async () => {
    const { port } = await respond('127.0.0.1')
    const { prober, results } = proberOfTest()
    const tasks = Array.from({ length: 64 }, (_, i) => udpTask(`${i}`, `127.0.0.1:${port}`, 1))
    await prober.setTasks(tasks)
    await eventually(() => results.length > 0, 'results')
    const busyUntil = performance.now() + 10_000
    while (engineCounts().lost === 0 && performance.now() < busyUntil) blockFor(100)
    expect(engineCounts().lost).toBeGreaterThan(0)
    const before = results.length
    await eventually(() => results.length > before + 4_096, 'later results')
    expect(results.filter(({ result }) => !result.ok)).toEqual([])
  })

  test('keeps the results that someone waits for until there is room', async () => {
    const { port } = await respond('127.0.0.1')
    const { prober } = proberOfTest()
    const probing = Array.from({ length: 6_000 }, () => prober.probe('udp', `127.0.0.1:${port}`, { timeoutMs: 20_000 }))
    // All are sent and answered while nobody reads, which is more than there is room for.
    await Promise.resolve()
    blockFor(500)
    expect((await Promise.all(probing)).filter(({ ok }) => !ok)).toEqual([])
    expect(engineCounts().lost).toBe(0)
  })

  test('decides a timeout by when the answer arrived, however busy this thread is', async () => {
    const { port } = await respond('127.0.0.1')
    const { prober } = proberOfTest()
    await prober.probe('udp', `127.0.0.1:${port}`)
    const probing = prober.probe('udp', `127.0.0.1:${port}`, { timeoutMs: 50 })
    await Promise.resolve()
    blockFor(300)
    expect(await probing).toMatchObject({ ok: true, clock: { tx: 'kernel', rx: 'kernel' } })
  })

  test('leaves no attempt unsettled whose prober is closed between the deadline of this thread and its own', async () => {
    const silent = await listenUdp(() => {})
    const prober = createProber()
    const probing = prober.probe('udp', `127.0.0.1:${silent.address().port}`, { timeoutMs: 50 })
    setTimeout(() => prober.close(), 60)
    await Promise.resolve()
    // Timers run before the news of the engine, which has decided by then.
    blockFor(150)
    const result = await probing
    expect(result.ok ? '' : result.failure.reason).toMatch(/^(timeout|cancelled)$/)
    const { port } = await respond('127.0.0.1')
    expect(await proberOfTest().prober.probe('udp', `127.0.0.1:${port}`)).toMatchObject({ ok: true })
    expect(engineCounts().inFlight).toBe(0)
  })

  test('tells the first failure and the first success after it within a fraction of a second', async () => {
    let isSilent = false
    const server = await listenUdp((bytes, from, socket) => {
      if (!isSilent) socket.send(bytes, from.port, from.address)
    })
    const { prober, results } = proberOfTest()
    // The request itself comes back, so that each answer is a failure of another kind than silence.
    await prober.setTasks([{ ...udpTask('a', `127.0.0.1:${server.address().port}`, 40), options: { timeoutMs: 30 } }])
    await eventually(() => reasonOf(results.at(-1)) === 'bad-reply', 'a reply that is not genuine')
    isSilent = true
    const silentAtMs = performance.now()
    await eventually(() => reasonOf(results.at(-1)) === 'timeout', 'a timeout')
    expect(performance.now() - silentAtMs).toBeLessThan(500)
  })

  test('that ends by itself fails what is in flight, and a new one takes its place', () => {
    assertBuilt('packages/core')
    // In a process of its own, whose descriptors nobody else opens and closes.
    const printed = execFileSync(process.execPath, ['--input-type=module', '-e', breakingProgram], {
      encoding: 'utf8',
      env: { ...process.env, CORE: new URL('../../../dist/index.js', import.meta.url).href },
    })
    expect(printed.trim().split('\n')).toEqual(['new pollers: 1', 'local-error EIO', 'ok'])
  })

  test('ends with its JavaScript thread, in the middle of a round too', async () => {
    assertBuilt('packages/core')
    for (let times = 0; times < 5; times++) {
      const worker = new Worker(busyProgram, {
        eval: true,
        workerData: new URL('../../../dist/index.js', import.meta.url).href,
      })
      await once(worker, 'message')
      expect(await worker.terminate()).toBe(1)
    }
  })

  testWith(nativePresent, 'g++')('trusts no stamp that was taken before a step of the wall clock', () => {
    assertBuilt('packages/core')
    const printed = runWithSteppingClock(['--input-type=module', '-e', steppingProgram], {
      CORE: new URL('../../../dist/index.js', import.meta.url).href,
    })
    const lines = printed.trim().split('\n')
    expect(lines[0]).toBe('ok kernel kernel in time')
    // Those that span a step have the clock of this process, and a time that makes sense.
    for (const line of lines) expect(line).toMatch(/^ok (kernel|user) (kernel|user) in time$/)
    expect(lines.at(-1)).toBe('ok kernel kernel in time')
  })
})

describeWith(...rawSockets)('a SYN of the packet engine', () => {
  test('has the header of RFC 9293 and the options of Linux', async () => {
    const server = await listenTcp((socket) => socket.destroy())
    const { arrivals } = record({ kind: 'tcp4' })
    const { prober } = proberOfTest()
    expect(await prober.probe('syn', `127.0.0.1:${server}`)).toMatchObject({ ok: true })
    const isOurs = (bytes: Uint8Array) => {
      const header = decodeTcpHeader(bytes)
      return header?.isSyn === true && !header.isAck && header.destinationPort === server
    }
    await eventually(() => arrivals.some(({ bytes }) => isOurs(bytes)), 'the SYN')
    const syn = Buffer.from(arrivals.find(({ bytes }) => isOurs(bytes))?.bytes ?? []).toString('hex')
    // Flags, window, urgent pointer and options; ports, numbers, checksum and timestamp differ.
    expect(syn).toMatch(/^.{16}00000000a002faf0.{4}0000020405b40402080a.{8}0000000001030307$/)
  })

  testWith(
    'ip',
    'nft',
    namespaces,
  )('is not answered by a segment with neither SYN nor RST', () => {
    expect(runAlone(acknowledging)).toEqual([
      { flags: 'ACK', reason: 'timeout' },
      { flags: 'FIN-ACK', reason: 'timeout' },
      { flags: 'SYN-ACK', reason: 'ok' },
      { flags: 'RST-ACK', reason: 'refused' },
    ])
  })
})

describeWith(...rawSockets)('the numbers of questions', () => {
  test.for([
    ['syn', 'tcp4', 32n, (bytes: Buffer) => (bytes[13] === 2 ? BigInt(bytes.readUInt32BE(4)) : undefined)],
    // A raw socket of Scout receives the replies, which bring the number back.
    ['icmp', 'icmp4', 64n, (bytes: Buffer) => (bytes[0] === 0 ? bytes.readBigUInt64BE(8) : undefined)],
  ] as const)('of %s tell nothing about the next', async ([protocol, kind, bits, numberOf]) => {
    const server = await listenTcp((socket) => socket.destroy())
    const { arrivals } = record({ kind })
    const { prober } = proberOfTest()
    const target = protocol === 'syn' ? `127.0.0.1:${server}` : '127.0.0.1'
    for (let i = 0; i < 64; i++) expect(await prober.probe(protocol, target)).toMatchObject({ ok: true })
    const numbers = () => arrivals.flatMap(({ bytes }) => numberOf(Buffer.from(bytes)) ?? [])
    await eventually(() => numbers().length >= 64, 'all numbers')
    const steps = numbers().map((number, i, all) => BigInt.asUintN(Number(bits), number - (all[i - 1] ?? 0n)))
    expect(new Set(steps).size).toBe(steps.length)
    // Each bit changes in about half of the steps.
    for (let bit = 0n; bit < bits; bit++) {
      const ones = steps.filter((_, i) => i > 0 && (((numbers()[i] ?? 0n) ^ (numbers()[i - 1] ?? 0n)) >> bit) & 1n)
      expect(ones.length / steps.length).toBeGreaterThan(0.15)
      expect(ones.length / steps.length).toBeLessThan(0.85)
    }
  })
})

describeWith(...networkNeeds)('in another network namespace', () => {
  test('the packet engine repeats tasks side by side with those of this thread', async () => {
    const network = networkOfTest()
    const { prober, results } = proberOfTest({ vantages: { near: network.near.path } })
    const target = network.router.ipv4
    await prober.setTasks([
      { id: 'icmp', protocol: 'icmp', target, intervalMs: 20, vantage: 'near' },
      { id: 'udp', protocol: 'udp', target: `${target}:9`, intervalMs: 20, vantage: 'near' },
      { id: 'tcp', protocol: 'tcp', target: `${target}:9`, intervalMs: 20, vantage: 'near' },
      { id: 'http', protocol: 'http', target: `http://${target}:9/`, intervalMs: 20, vantage: 'near' },
    ])
    const latest = (id: string) => results.findLast((one) => one.id === id)
    await eventually(() => ['icmp', 'udp', 'tcp', 'http'].every((id) => latest(id) !== undefined), 'results of all')
    expect(latest('icmp')?.result.ok).toBe(true)
    for (const id of ['udp', 'tcp', 'http']) expect(reasonOf(latest(id))).toBe('refused')
  })

  test('it goes on after the name of the namespace is gone', async () => {
    const network = networkOfTest()
    const { prober, results } = proberOfTest({ vantages: { near: network.near.path } })
    await prober.setTasks([
      { id: 'icmp', protocol: 'icmp', target: network.near.ipv4, intervalMs: 20, vantage: 'near' },
    ])
    await eventually(() => results.length > 0, 'results')
    execFileSync('ip', ['netns', 'delete', network.near.name])
    const before = results.length
    await eventually(() => results.length > before + 10, 'later results')
    expect(results.at(-1)?.result.ok).toBe(true)
  })

  test('a full send buffer is a failure of this host', async () => {
    const network = networkOfTest()
    const { prober } = proberOfTest({ vantages: { near: network.near.path } })
    // Finds the link address, while which packets would be dropped.
    expect(await prober.probe('icmp', network.router.ipv4, { vantage: 'near' })).toMatchObject({ ok: true })
    const slow = ['rate', '8kbit', 'burst', '2000', 'limit', '100000000']
    network.near.run('tc', 'qdisc', 'add', 'dev', 'eth0', 'root', 'tbf', ...slow)
    const probing = Array.from({ length: 16_000 }, () =>
      prober.probe('icmp', network.router.ipv4, { vantage: 'near', payloadBytes: 1_400, timeoutMs: 2_000 }),
    )
    const failures = (await Promise.all(probing)).flatMap((result) => (result.ok ? [] : [result.failure]))
    expect(new Set(failures.map(({ reason }) => reason))).toEqual(new Set(['timeout', 'local-error']))
    expect(failures.find(({ reason }) => reason === 'local-error')?.code).toMatch(/^(ENOBUFS|EAGAIN)$/)
  })

  function networkOfTest(): Network {
    const network = createNetwork()
    onTestFinished(() => {
      for (const { name } of [network.near, network.router, network.far])
        if (readdirSync('/run/netns').includes(name)) execFileSync('ip', ['netns', 'delete', name])
    })
    return network
  }
})

function proberOfTest(options: ProberOptions = {}) {
  const results: TaskResult[] = []
  const prober = createProber({ ...options, onResults: (batch) => results.push(...batch) })
  onTestFinished(() => prober.close())
  return { prober, results }
}

function udpTask(id: string, target: string, intervalMs: number) {
  return { id, protocol: 'udp', target, intervalMs }
}

function reasonOf(one: TaskResult | undefined): string | undefined {
  return one === undefined || one.result.ok ? undefined : one.result.failure.reason
}

async function respond(host: string) {
  const responder = await startUdpResponder({ host, port: 0 })
  onTestFinished(() => responder.close())
  return responder
}

/** Acknowledges each SYN with other flags, in the place of the kernel, whose resets a firewall drops. */
const acknowledging = `
  import { execFileSync } from 'node:child_process'
  const { createProber } = await import(process.env.CORE)
  const { openRaw } = await import(process.env.RAW)
  for (const command of [
    'add table ip scout',
    'add chain ip scout output { type filter hook output priority 0; }',
    'add rule ip scout output tcp sport 9 tcp flags & rst == rst tcp urgptr 0 drop',
  ]) execFileSync('nft', command.split(' '))
  let answerFlags = 0
  const raw = openRaw('TCP')
  raw.onPacket((packet, from) => {
    const syn = packet.subarray((packet[0] & 15) * 4)
    if (syn[13] !== 2) return
    const answer = Buffer.alloc(20)
    answer.writeUInt16BE(syn.readUInt16BE(2), 0)
    answer.writeUInt16BE(syn.readUInt16BE(0), 2)
    answer.writeUInt32BE((syn.readUInt32BE(4) + 1) >>> 0, 8)
    answer[12] = 5 << 4
    answer[13] = answerFlags
    // Without the flag it means nothing (RFC 9293 section 3.1); it tells the firewall that this is not the kernel's.
    answer.writeUInt16BE(1, 18)
    raw.send(answer, from)
  })
  const prober = createProber()
  for (const [flags, bits] of [['ACK', 16], ['FIN-ACK', 17], ['SYN-ACK', 18], ['RST-ACK', 20]]) {
    answerFlags = bits
    const { ok, failure } = await prober.probe('syn', '127.0.0.1:9', { timeoutMs: bits < 18 ? 300 : 5000 })
    console.log(JSON.stringify({ flags, reason: ok ? 'ok' : failure.reason }))
  }
  process.exit()
`

/** Puts a file in the place of the engine's epoll descriptor (epoll(7)), which the engine then closes in its stead. */
const breakingProgram = `
  import { createSocket } from 'node:dgram'
  import { once } from 'node:events'
  import { closeSync, openSync, readdirSync, readlinkSync } from 'node:fs'
  const { createProber, startUdpResponder } = await import(process.env.CORE)
  const pollers = () => readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync('/proc/self/fd/' + fd) === 'anon_inode:[eventpoll]'
    } catch {
      return false // the descriptor of the folder itself
    }
  }).map(Number)
  const silent = createSocket('udp4').bind(0, '127.0.0.1')
  await once(silent, 'listening')
  const target = '127.0.0.1:' + silent.address().port
  const before = pollers()
  const prober = createProber()
  const probing = prober.probe('udp', target, { timeoutMs: 20_000 })
  const opened = pollers().filter((fd) => !before.includes(fd))
  console.log('new pollers: ' + opened.length)
  closeSync(opened[0])
  for (let tries = 0; tries < 64 && openSync('/dev/null', 'r') !== opened[0]; tries++);
  // It notices when there is something to do.
  void prober.probe('udp', target)
  const { failure } = await probing
  console.log(failure.reason, failure.code)
  const { port } = await startUdpResponder({ host: '127.0.0.1', port: 0 })
  const { ok } = await prober.probe('udp', '127.0.0.1:' + port)
  console.log(ok ? 'ok' : 'failed')
  process.exit()
`

/** Asks 64 times a millisecond, and answers. */
const busyProgram = `
  const { parentPort, workerData } = require('node:worker_threads')
  import(workerData).then(async ({ createProber, startUdpResponder }) => {
    const { port } = await startUdpResponder({ host: '127.0.0.1', port: 0 })
    const prober = createProber({ onResults: () => parentPort.postMessage('results') })
    const tasks = Array.from({ length: 64 }, (_, id) => ({ id, protocol: 'udp', target: '127.0.0.1:' + port, intervalMs: 1 }))
    await prober.setTasks(tasks.map((task) => ({ ...task, id: String(task.id) })))
  })
`

const steppingProgram = `
  import { rmSync, writeFileSync } from 'node:fs'
  const { createProber, startUdpResponder } = await import(process.env.CORE)
  const responder = await startUdpResponder({ host: '127.0.0.1', port: 0 })
  const prober = createProber()
  const session = prober.openSession()
  const probe = async () => {
    const { ok, totalNs, clock } = await prober.probe('udp', '127.0.0.1:' + responder.port, { session })
    console.log(ok ? 'ok' : 'failed', clock.tx, clock.rx, totalNs > 0 && totalNs < 1e9 ? 'in time' : totalNs)
  }
  await probe()
  writeFileSync('step', '')
  await probe()
  await probe()
  rmSync('step')
  // Each of the sixteen sockets has to find its queues empty once.
  for (let round = 0; round < 40; round++) await probe()
  prober.close()
  await responder.close()
`

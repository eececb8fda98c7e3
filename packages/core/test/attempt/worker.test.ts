import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { blockFor } from '../../../../test/support/block.ts'
import { assertBuilt } from '../../../../test/support/built.ts'
import { eventually } from '../../../../test/support/eventually.ts'
import { nativePart, testWith } from '../../../../test/support/requirements.ts'
import { listenTcp, listenUdp } from '../../../../test/support/servers.ts'
import { stampAnswerTo } from '../../../../test/support/stamp.ts'
import { createProber, type ProberOptions } from '../../src/attempt/prober.ts'

function proberInThread(options: ProberOptions = {}) {
  assertBuilt('packages/core')
  const prober = createProber({ ...options, worker: true })
  onTestFinished(() => prober.close())
  return prober
}

test('a prober in a separate thread works like one in this thread', async () => {
  const port = await listenTcp((socket) => socket.end())
  const prober = proberInThread()
  expect(await prober.probe('tcp', `127.0.0.1:${port}`)).toMatchObject({ ok: true, endpoint: { port } })
  await expect(prober.probe('tcp', '127.0.0.1')).rejects.toThrow(expect.objectContaining({ code: 'invalid-target' }))
  const options = Object.assign({ timeoutMs: 1 }, { callback: () => {} })
  await expect(prober.probe('tcp', `127.0.0.1:${port}`, options)).rejects.toThrow(
    expect.objectContaining({ code: 'invalid-option' }),
  )
})

test('its times exclude the work of this thread', async () => {
  const silent = await listenUdp(() => {})
  const prober = proberInThread()
  const target = `127.0.0.1:${silent.address().port}`
  await prober.probe('udp', target, { timeoutMs: 1 })
  const result = prober.probe('udp', target, { timeoutMs: 50 })
  blockFor(1_000)
  expect((await result).totalNs).toBeLessThan(1_000 * 1e6)
})

test('a signal cancels an attempt in a thread', async () => {
  let asked = 0
  const silent = await listenUdp(() => void asked++)
  const prober = proberInThread()
  const caller = new AbortController()
  const result = prober.probe('udp', `127.0.0.1:${silent.address().port}`, { signal: caller.signal })
  await eventually(() => asked > 0, 'the datagram')
  caller.abort()
  expect(await result).toMatchObject({ ok: false, failure: { reason: 'cancelled' } })
})

test('strays are reported across threads', async () => {
  const strays: string[] = []
  const mirror = await listenUdp((bytes, { port, address }, socket) => {
    socket.send(bytes, port, address)
  })
  const prober = proberInThread({ onStray: (protocol, { kind }) => strays.push(`${protocol} ${kind}`) })
  // A request that is sent back is not an answer.
  await prober.probe('udp', `127.0.0.1:${mirror.address().port}`, { timeoutMs: 50 })
  await eventually(() => strays.includes('udp foreign'), 'a stray')
})

testWith(nativePart)('a session lives in the thread until it is closed', async () => {
  const from: number[] = []
  const server = await listenUdp((bytes, { port, address }, socket) => {
    from.push(port)
    socket.send(stampAnswerTo(bytes), port, address)
  })
  const prober = proberInThread()
  const session = prober.openSession()
  const target = `127.0.0.1:${server.address().port}`
  for (let sent = 0; sent < 16; sent++) await prober.probe('udp', target, { session })
  expect(new Set(from).size).toBe(16)
  session.close()
  await expect(prober.probe('udp', target, { session })).rejects.toThrow(expect.objectContaining({ code: 'closed' }))
})

test('closing cancels attempts in progress, and rejects later ones', async () => {
  let asked = 0
  const silent = await listenUdp(() => void asked++)
  const prober = proberInThread()
  const result = prober.probe('udp', `127.0.0.1:${silent.address().port}`)
  await eventually(() => asked > 0, 'the datagram')
  prober.close()
  expect(await result).toMatchObject({ ok: false, failure: { reason: 'cancelled' } })
  await expect(prober.probe('udp', '127.0.0.1:9')).rejects.toThrow(expect.objectContaining({ code: 'closed' }))
})

test.each(['udp', 'icmp', 'syn', 'dns', 'tcp', 'http'])(
  'a process whose thread probed with %s ends without output',
  async (protocol) => {
    const target = { icmp: '127.0.0.1', dns: 'scout@127.0.0.1:9' }[protocol] ?? '127.0.0.1:9'
    const core = new URL('../../dist/index.js', import.meta.url).href
    const program = `
    import { createProber } from ${JSON.stringify(core)}
    const prober = createProber({ worker: true })
    await prober.probe(${JSON.stringify(protocol)}, ${JSON.stringify(target)})
    prober.close()
  `
    const options = { cwd: fileURLToPath(new URL('.', import.meta.url)) }
    expect(await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], options)).toEqual({
      stdout: '',
      stderr: '',
    })
  },
)

import { fileURLToPath } from 'node:url'
import type { ResultOf } from '@scout/core'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type Lab, openLab } from '../../../test/lab/src/index.ts'
import { allowTime, labNeeds } from '../../../test/lab/test/support/namespaces.ts'
import { assertBuilt } from '../../../test/support/built.ts'
import { describeWith, nativePart } from '../../../test/support/requirements.ts'

const cli = fileURLToPath(new URL('../bin/scout-probe.js', import.meta.url))
const target = '10.244.2.10:9191'

describeWith(...labNeeds, nativePart)('a connection that is kept across nodes', () => {
  allowTime()
  let opened: Lab | undefined
  const lab = () => {
    if (opened === undefined) throw new Error('the lab is not up yet')
    return opened
  }
  const serve = async () => {
    const server = lab().spawn('pod2', [process.execPath, cli, 'serve', '--port', '9191'])
    for await (const line of server.lines()) if (line.includes('udp at')) break
    return server
  }
  beforeAll(async () => {
    assertBuilt('packages/core')
    assertBuilt('packages/cli')
    opened = await openLab({ nodes: 2, dnsReplicas: 0 })
    await serve()
  })
  afterEach(() => lab().healAll())
  afterAll(() => lab().close())

  /** Starts attempts over one connection, which are so far apart that the fault forgets it. */
  const start = (count: number) => {
    const request = ['--send', String.raw`HEAD / HTTP/1.1\r\nhost: scout\r\n\r\n`, '--expect', 'HTTP/1.1 200']
    const repeats = ['--interval', '4s', '--count', String(count), '--json']
    const prober = lab().spawn('pod1', [process.execPath, cli, 'tcp', target, '--keep', ...request, ...repeats])
    return prober.lines()
  }

  const read = async (lines: AsyncIterable<string>) => {
    const results: ResultOf<'tcp'>[] = []
    for await (const line of lines) {
      const result = JSON.parse(line) as ResultOf<'tcp'>
      if ('ok' in result) results.push(result)
    }
    return results
  }

  test('is forgotten while it idles, which each attempt finds, because a new one works', async () => {
    const injection = await lab().inject('idle-flow-forgotten', { from: 1, to: 2, milliseconds: 1000 })
    const results = await read(start(3))
    expect(results.map((result) => (result.ok ? 'ok' : result.failure.reason))).toEqual([
      'ok',
      'flow-dropped',
      'flow-dropped',
    ])
    expect(await injection.hits()).toBeGreaterThan(0)
  })

  test('passes without the fault', async () => {
    const results = await read(start(3))
    expect(results).toMatchObject([{ ok: true }, { ok: true }, { ok: true }])
    expect(results.at(-1)?.detail?.idleNs).toBeGreaterThan(2e9)
  })
})

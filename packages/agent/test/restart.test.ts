import { mkdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { namespaces } from '../../../test/support/child.ts'
import { testWith } from '../../../test/support/requirements.ts'
import { listenTcp } from '../../../test/support/servers.ts'
import { history, self as selfSchema } from '../src/outputs/api/schemas.ts'
import { type AgentProcess, loopback, startAgent } from './support/agent-process.ts'
import { temporaryFolder } from './support/temporary.ts'

const [own, peer] = [loopback(2), loopback(3)]
const timeout = 60_000

test('an agent has its history again after SIGTERM, and after kill -9 what was written', { timeout }, async () => {
  const port = await listenTcp((socket) => socket.end(), peer)
  const file = join(await temporaryFolder(), 'history')
  const start = () => startAgent(configOf(file, port))
  const first = await start()
  await first.logged(({ msg, failure }) => msg === 'probe ended' && failure === undefined, 10)
  const before = await passedOf(first)
  expect(before).toBeGreaterThanOrEqual(10)
  expect(await first.end('SIGTERM')).toMatchObject({ code: 0, errors: '' })
  expect((await stat(file)).mode & 0o777).toBe(0o600)

  const second = await start()
  await second.logged(({ msg }) => msg === 'probe ended')
  expect(await passedOf(second)).toBeGreaterThan(before)
  expect((await second.row()).series[0]?.total.passed).toBeLessThan(before)
  expect(second.log.filter(({ msg }) => msg.startsWith('history'))).toEqual([])
  await second.end('SIGKILL')

  const third = await start()
  expect(await passedOf(third)).toBeGreaterThanOrEqual(before)
})

testWith(namespaces)(
  'a full disk is one warning, in the log and at /api/v1/self, and delays nothing',
  { timeout },
  async () => {
    const port = await listenTcp((socket) => socket.end(), peer)
    const folder = join(await temporaryFolder(), 'disk')
    await mkdir(folder)
    const setup = `mount -t tmpfs -o size=8k tmpfs ${folder} && ! head -c 8192 /dev/zero > ${folder}/full; exec "$@"`
    const agent = await startAgent(configOf(join(folder, 'history'), port), [
      'unshare',
      '--user',
      '--map-root-user',
      '--mount',
      'sh',
      '-c',
      setup,
      'sh',
    ])
    await agent.logged(({ msg }) => msg.startsWith('probe '))
    const ended = await agent.end('SIGTERM')
    expect(ended).toMatchObject({ code: 0, errors: '' })
    expect(ended.tookMs).toBeLessThan(5_000)
    const troubles = agent.log.filter(({ msg }) => msg === 'history file troubled')
    expect(troubles).toMatchObject([{ trouble: expect.stringContaining('ENOSPC') }])
  },
)

test('a file that is something else is left alone, which /api/v1/self and the metrics show', { timeout }, async () => {
  const folder = await temporaryFolder()
  const agent = await startAgent(configOf(folder, 9))
  const [warning] = await agent.logged(({ msg }) => msg === 'history file troubled')
  expect(warning).toMatchObject({ level: 40, trouble: expect.stringContaining('it is not a regular file') })
  const document = selfSchema.parse(await (await fetch(`${agent.url}/api/v1/self`)).json())
  expect(document.history).toMatchObject({ path: folder, trouble: expect.stringContaining('set historyFile to') })
  const metrics = await (await fetch(`${agent.url}/metrics`)).text()
  expect(metrics).toContain('scout_history_writes_total{outcome="written"} 0')
})

function configOf(file: string, port: number) {
  return {
    name: 'a',
    addresses: [own],
    responder: { host: own, port: 0 },
    peers: [{ name: 'b', addresses: [peer], port }],
    checks: { tcp: { probe: 'tcp' } },
    grace: '0s',
    historyFile: file,
  }
}

/** Returns how many attempts passed, as the history by the minute counts them. */
async function passedOf({ url }: AgentProcess): Promise<number> {
  const { series } = history.parse(await (await fetch(`${url}/api/v1/history?to=b`)).json())
  return series.flatMap(({ day }) => day.slots).reduce((sum, { passed }) => sum + passed, 0)
}

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Row } from '@scout/core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeWith } from '../../../../test/support/requirements.ts'
import { expositionOf } from '../../../agent/src/outputs/metrics/exposition.ts'
import { metrics } from '../../../agent/src/outputs/metrics/metrics.ts'
import { durationsOf, failingSeriesOf, rowOf, seriesOf } from '../../../agent/test/support/rows.ts'
import { runCli } from '../support/run-cli.ts'

/** Room for the first series and all that fail, and not for the others. */
const budget = 22

/** A label that a target may have. */
const hostile = 'pod\u001b[2J\nforged'

/** What the agents expose after this many attempts; the agent of node-3 is not scraped. */
const agents: readonly ((attempts: number) => Row)[] = [
  (attempts) =>
    rowOf({
      series: [
        seriesOf({ tookSeconds: [0.001] }),
        failingSeriesOf('timeout', { check: 'udp', protocol: 'udp', to: 'node-3' }),
        seriesOf({ tookSeconds: [0.001], to: 'node-4' }),
        seriesOf({ tookSeconds: [0.001], check: 'http', protocol: 'http' }),
      ],
      durations: [{ ...durationsOf([0.001]), total: { passed: 3 * attempts, reasons: { timeout: attempts } } }],
    }),
  () => rowOf({ self: selfOf('node-2') }),
  () => rowOf({ self: selfOf('node-4') }),
]

function selfOf(node: string): Row['self'] {
  return { name: node, node, zone: 'zone-b', addresses: [], nodeAddresses: [], version: '1.2.3' }
}

/** Starts a Prometheus that scrapes these agents every second; returns its URL. */
async function startPrometheus() {
  const folder = await mkdtemp(join(tmpdir(), 'scout-prometheus-'))
  let attempts = 0
  const server = createServer(({ url = '' }, response) => {
    const row = agents[Number(url.slice(1))]?.(++attempts) ?? rowOf()
    response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' })
    response.end(Buffer.concat(expositionOf(metrics, row, { budget })))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the agents have no port')
  const jobs = agents.map((_, index) => ({
    job_name: `agent-${index}`,
    metrics_path: `/${index}`,
    static_configs: [
      { targets: [`127.0.0.1:${address.port}`], labels: { cluster: 'shop', pod: `${hostile}-${index}` } },
    ],
  }))
  const config = { global: { scrape_interval: '1s', scrape_timeout: '1s' }, scrape_configs: jobs }
  await writeFile(join(folder, 'prometheus.yaml'), JSON.stringify(config))
  const child = spawn(
    'prometheus',
    [
      `--config.file=${join(folder, 'prometheus.yaml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      '--web.listen-address=127.0.0.1:0',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  const exited = once(child, 'exit')
  const port = await new Promise<string>((resolve, reject) => {
    let log = ''
    child.stderr.on('data', (piece: Buffer) => {
      log += piece.toString()
      const [, found] = /msg="Listening on" address=127\.0\.0\.1:(\d+)/.exec(log) ?? []
      if (found !== undefined) resolve(found)
    })
    void exited.then(() => reject(new Error(`Prometheus ended: ${log}`)))
  })
  return {
    url: `http://127.0.0.1:${port}`,
    async stop() {
      child.kill('SIGKILL')
      await exited
      server.closeAllConnections()
      server.close()
      await rm(folder, { recursive: true })
    },
  }
}

describeWith('prometheus')('a mesh from the metrics of agents in a real Prometheus', () => {
  let prometheus: Awaited<ReturnType<typeof startPrometheus>>

  beforeAll(async () => {
    prometheus = await startPrometheus()
  }, 60_000)
  afterAll(() => prometheus?.stop())

  const look = async (...argv: readonly string[]) => {
    const { code, out, err } = await runCli(['mesh', '--prometheus', prometheus.url, ...argv], { terminalColumns: 200 })
    return { code, out, err: err.split('\x1b[K').at(-1) ?? '' }
  }

  test('shows what they do not cover as unknown, and says why', { timeout: 60_000 }, async () => {
    // An increase needs two scrapes.
    await expect
      .poll(async () => (await look()).out, { timeout: 30_000, interval: 500 })
      .toContain('25 % of the attempts')
    const { code, out, err } = await look()
    expect({ code, err }).toEqual({ code: 1, err: '' })
    const timeless = out
      .replaceAll(/\d+s( to \d+s)? old/g, '#s old')
      .replaceAll(/since .* \(.*\)/g, 'since #')
      .replaceAll(/127\.0\.0\.1:\d+/g, '127.0.0.1:#')
    expect(timeless).toMatchInlineSnapshot(`
      "from http://127.0.0.1:#: samples of 3 agents, #s old

      scout pods:
          node: node-1
                  pod�[2J�forged-0.127.0.0.1:#
          node: node-2
                  pod�[2J�forged-1.127.0.0.1:#
          node: node-3
          node: node-4
                  pod�[2J�forged-2.127.0.0.1:#

      from \\ to  node-1      node-2      node-3        node-4
      node-1     -           ok          udp: timeout  ?
      node-2     not probed  -           not probed    not probed
      node-3     ?           ?           -             ?
      node-4     not probed  not probed  not probed    -

      12 links between 4 nodes: 1 ok, 1 failing, 6 not probed, 4 unknown

      node-1 -> node-3: udp fails since #: timeout: no answer arrived before the deadline

      node-3: no samples from its agent, so its links are unknown: it was not scraped at that time
      no scraped agent spoke for the mesh, so incidents are unknown
      2 checks that do not fail have no samples of their own (setting metrics.series) and are known by pair of zones only
      no cause is computed for failures without an incident, because not every link has samples (setting metrics.series)
      zone zone-a -> zone-b: 25 % of the attempts of tcp failed in the 5 minutes before
      "
    `)
  })

  test('finds nothing under other labels, and says so', async () => {
    const { code, err } = await look('--label', 'cluster: bank')
    expect(code).toBe(1)
    expect(err).toContain('has no metrics of Scout with these labels (scout_build_info)')
  })

  test('has a link that fails, with its reason and the last success, as JSON', async () => {
    const { out } = await look('--json', '--label', 'cluster: shop')
    const failing = out.split('\n').find((line) => line.includes('"state":"failing"'))
    expect(JSON.parse(failing ?? '')).toEqual({
      kind: 'link',
      from: 'node-1',
      to: 'node-3',
      state: 'failing',
      failing: [
        {
          check: 'udp',
          reason: 'timeout',
          phase: 'setup',
          message: 'no answer arrived before the deadline',
          sinceMs: expect.any(Number),
        },
      ],
    })
  })
})

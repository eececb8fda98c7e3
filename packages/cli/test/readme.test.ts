import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { desertedTcpPort } from '../../../test/support/servers.ts'
import { failing, startFakeCluster, timeout } from './support/fake-cluster.ts'
import { runCli } from './support/run-cli.ts'

const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8')

/** What README.md shows below a command line, up to the next. */
function shownBelow(commandLine: string): string {
  const [, below = ''] = readme.split(`\n$ ${commandLine}\n`)
  return below.split(/^(?:\$ .*|```)$/m)[0] ?? ''
}

/** The same time of day wherever this runs. */
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: new Date(2026, 0, 2, 12, 0, 0) })
})
afterEach(() => {
  vi.useRealTimers()
})

test('README.md shows the mesh as it is printed', async () => {
  const api = await startFakeCluster({
    nodes: ['node1', 'node2', 'node3'],
    change: (series) =>
      series.from === 'node2' && series.to === 'node1' && series.protocol === 'udp' ? failing(series, timeout) : series,
  })
  const { out } = await runCli(['mesh', '--kube-api', api.server])
  expect(shownBelow('scout-probe mesh')).toBe(out)
})

test('README.md shows every check that all makes, and the same columns', async () => {
  const port = await desertedTcpPort()
  const { out } = await runCli(['all', '127.0.0.1', '--port', String(port), '--skip', 'dns', '-c', '1'])
  const shown = shownBelow('scout-probe all 10.244.2.10 --skip dns')
  expect(withoutResults(shown)).toEqual(withoutResults(out))
  expect(shown).toMatch(/\n\n\d of 8 passed; failed: .*\n$/)
})

/** The title of every column, and of every row with its size. */
function withoutResults(table: string): readonly string[] {
  const [head = '', ...rows] = (table.split('\n\n')[0] ?? '').trimEnd().split('\n')
  return [...head.split(/ +/), ...rows.map((row) => row.slice(0, 'http-large  100000'.length).trimEnd())]
}

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { get, type IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { testWith } from '../../../test/support/requirements.ts'
import { loopback, startAgent } from './support/agent-process.ts'
import { scrape } from './support/scrape.ts'

const test = testWith({
  isMet: process.platform === 'linux',
  reason: 'needs all of 127.0.0.0/8 on loopback and /proc, as on Linux',
})

/** Links of the agent, as in a mesh of a hundred nodes. */
const links = 100
const checks = { http: { probe: 'http' }, tcp: { probe: 'tcp' }, udp: { probe: 'udp' } }

test('1,000 scrapes at once delay /healthz by less than half a second of work, and no attempt is skipped', {
  timeout: 90_000,
}, async () => {
  const { responderPort: port } = await startAgent({ name: 'b', responder: { host: '0.0.0.0', port: 0 } })
  const agent = await startAgent({
    name: 'a',
    level: 'info',
    interval: '5s',
    addresses: ['127.0.0.1'],
    responder: { host: '127.0.0.1', port: 0 },
    // One agent stands for all.
    peers: Array.from({ length: links }, (_, index) => ({
      name: `b${index}`,
      addresses: [loopback(index + 100)],
      port,
    })),
    probedNodes: links,
    checks,
  })
  const series = links * Object.keys(checks).length
  while ((await agent.row()).series.filter(({ state }) => state === 'ok').length < series) await sleep(100)
  const before = (await agent.row()).schedule

  const { statuses } = scrape(Number(new URL(agent.url).port), 1_000)
  const delaysMs: number[] = []
  while (statuses() === undefined) {
    const startMs = runMs(agent.pid)
    expect(await statusOf(`${agent.url}/healthz`)).toBe(200)
    delaysMs.push(runMs(agent.pid) - startMs)
  }
  expect(Math.max(...delaysMs)).toBeLessThan(500)
  // Those that would have waited for more than eight seconds get 503.
  expect(statuses()).toContain(200)
  expect(statuses()?.filter((status) => status !== 200 && status !== 503)).toEqual([])
  const after = (await agent.row()).schedule
  expect(after.started).toBeGreaterThan(before.started)
  expect(after.skipped).toBe(before.skipped)
})

/** Asks over a new connection, as a kubelet does. */
async function statusOf(url: string): Promise<number | undefined> {
  const [response] = (await once(get(url, { agent: false }), 'response')) as [IncomingMessage]
  response.resume()
  return response.statusCode
}

/**
 * Returns how long the main thread of a process has run (Documentation/scheduler/sched-stats.rst): what an answer waits for, apart from
 * other processes of this machine.
 */
function runMs(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ', 1)[0]) / 1e6
}

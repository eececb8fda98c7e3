// What a page that is open in a browser costs the agent that serves it, with 31 peers and the default checks in a healthy mesh: less than
// 1 % of a core. Each view in turn, in pairs: as long without a page as with it. SCOUT_PAGE_SECONDS is how long that is (default: 60).

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { threadsOf, usedBetween } from './agent/usage.mjs'

const limitPercent = 1
const seconds = Number(process.env['SCOUT_PAGE_SECONDS'] ?? 60)

const child = fork(fileURLToPath(new URL('./agent/console-main.mjs', import.meta.url)))
const [{ watcher, asking, own, other }] = await once(child, 'message')
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] })

const views = [
  { name: 'mesh, of a watcher', port: watcher, hash: '#/' },
  { name: 'mesh, of any other agent', port: asking, hash: '#/' },
  { name: 'link that it probes', port: asking, hash: `#/link/${own}/${other}` },
]
const table = []
for (const { name, port, hash } of views) {
  const without = await percentOf(seconds)
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
  await page.goto(`http://127.0.0.1:${port}/${hash}`)
  await page.locator('.status').getByText('live', { exact: true }).waitFor()
  await page.getByRole('application').waitFor()
  const withPage = await percentOf(seconds)
  await page.close()
  table.push({ view: name, without, with: withPage, costs: withPage - without })
}
await browser.close()
child.kill()

const text = (/** @type {number} */ percent) => `${percent.toFixed(2)} %`
console.log(`an open page, 31 peers: time of all threads of the agent, in percent of a core, over ${seconds} s each`)
console.table(
  table.map((row) => ({ view: row.view, without: text(row.without), with: text(row.with), costs: text(row.costs) })),
)
const most = Math.max(...table.map(({ costs }) => costs))
if (!(most < limitPercent)) {
  console.error(`an open page costs ${text(most)}: the limit is ${limitPercent} %`)
  process.exitCode = 1
}

/** Returns the time of all threads on a processor, in percent of a core. */
async function percentOf(/** @type {number} */ seconds) {
  const pid = child.pid ?? 0
  const before = threadsOf(pid)
  const startMs = performance.now()
  await sleep(seconds * 1000)
  const spanNs = (performance.now() - startMs) * 1e6
  const used = [...usedBetween(before, threadsOf(pid)).values()]
  return (100 * used.reduce((sum, { cpuNs }) => sum + cpuNs, 0)) / spanNs
}

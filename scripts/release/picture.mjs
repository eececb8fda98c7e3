// node scripts/release/picture.mjs: takes the picture of the page in README.md, of a lab with a fault: docs/page.png.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { root } from '../command.mjs'
import { prepare } from '../prepare.mjs'

const port = '8095'
const patienceMs = 120_000

await prepare('test')
const demo = spawn(
  process.execPath,
  [join(root, 'scripts/demo/demo.mjs'), '--fault', 'mtu-blackhole', '--interval', '1s', '--console-port', port],
  { stdio: ['ignore', 'ignore', 'inherit'] },
)
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 860 }, colorScheme: 'light' })
  await untilServed()
  await page.goto(`http://localhost:${port}/`)
  await page
    .getByText(/^Open the link/)
    .first()
    .click({ timeout: patienceMs })
  await page.locator('.u-over').first().waitFor()
  // Until half a minute has passed, the incident may be a brown-out.
  await page.getByText('too short to count yet').waitFor({ state: 'hidden', timeout: patienceMs })
  await page.screenshot({ path: join(root, 'docs/page.png') })
} finally {
  await browser.close()
  demo.kill('SIGINT')
  await once(demo, 'exit')
}

async function untilServed() {
  for (const endMs = Date.now() + patienceMs; Date.now() < endMs; ) {
    try {
      // A connection made before the agent listens may never be answered.
      await fetch(`http://localhost:${port}/healthz`, { signal: AbortSignal.timeout(2_000) })
      return
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 500))
    }
  }
}

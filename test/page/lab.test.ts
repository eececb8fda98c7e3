import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Lab, openLab, podPort } from '@scout/lab'
import type { Browser } from 'playwright-core'
import { expect, onTestFinished } from 'vitest'
import type { LinksDocument } from '../../packages/agent/src/outputs/api/schemas.ts'
import { assertPageBuilt } from '../support/built.ts'
import { namespaces } from '../support/child.ts'
import { testWith } from '../support/requirements.ts'
import { openPage, startBrowser } from './browser.ts'

const agentProgram = fileURLToPath(new URL('../../packages/agent/bin/scout-agent.js', import.meta.url))
const consolePort = 8080
const timeout = 240_000

testWith(
  namespaces,
  'ip',
  'nft',
  'unshare',
  'nsenter',
  'setpriv',
  'chromium',
)(
  'a fault in the lab appears as an incident with its evidence, which leads to its link; before it, all was well',
  { timeout },
  async () => {
    assertPageBuilt()
    const [lab, browser] = await Promise.all([openTestLab(), openTestBrowser()])
    const url = await startAgents(lab)
    const page = await openPage(browser, url)
    const patience = { timeout: 120_000 }
    await page.getByText('None. All 6 links with results pass.').waitFor(patience)
    const wellAtMs = await recordedUntil(url)
    await lab.inject('udp-blocked', { from: 1, to: 2 })
    const incident = page
      .getByRole('group')
      .filter({ hasText: /node1 <?-> node2/ })
      .first()
    await incident.getByText('protocol-filtered').waitFor(patience)
    await incident.getByText(/^udp.* gets? no answer on/).waitFor(patience)
    await incident.getByText(/^scout-probe --from node[12] udp /).waitFor()

    await incident.getByRole('button', { name: /^Open the link/ }).click()
    const panel = page.getByRole('complementary', { name: /^node[12] → node[12]$/ })
    await panel.getByText(/^failing: udp/).waitFor()
    await panel.getByText('Newest failures').waitFor()
    await panel.getByRole('img', { name: /^Attempts that failed/ }).waitFor()

    await page.evaluate(`location.hash = '#/?at=${wellAtMs}'`)
    await page.getByText('Showing the past').waitFor()
    await page.getByText('None. All 6 links with results pass.').waitFor(patience)
    await page.getByRole('button', { name: 'Back to live' }).click()
    await incident.getByText('protocol-filtered').waitFor(patience)
    expect(await page.title()).toMatch(/^\d open · Scout on node1$/)
  },
)

async function openTestLab(): Promise<Lab> {
  const lab = await openLab({ nodes: 3, zones: 2 })
  onTestFinished(async () => lab.close())
  return lab
}

async function openTestBrowser(): Promise<Browser> {
  const browser = await startBrowser()
  onTestFinished(async () => browser.close())
  return browser
}

/** Starts an agent in the first pod of each node. Returns the URL of the first one's console once it is served. */
async function startAgents(lab: Lab) {
  const folder = await mkdtemp(join(tmpdir(), 'scout-page-'))
  onTestFinished(async () => rm(folder, { recursive: true }))
  const members = lab.topology.nodes.flatMap(({ name: node, zone, pods }) =>
    pods.slice(0, 1).map(({ name, addresses }) => ({
      name,
      node,
      zone: zone.name,
      addresses: lab.topology.families.map((family) => addresses[family]),
      port: podPort,
    })),
  )
  const checks = Object.fromEntries(['tcp', 'udp', 'http', 'syn'].map((probe) => [probe, { probe }]))
  for (const { port, ...self } of members) {
    const config = {
      ...self,
      level: 'warn',
      interval: '500ms',
      settle: '0s',
      console: { host: '::', port: consolePort },
      responder: { host: '::', port },
      peers: members.filter(({ name }) => name !== self.name),
      checks,
    }
    const path = join(folder, `${self.name}.yaml`)
    await writeFile(path, JSON.stringify(config))
    const agent = lab.spawn(self.name, [process.execPath, agentProgram, '--config', path], { env: process.env })
    onTestFinished(async () => {
      await agent.stop(5_000)
    })
  }
  const forwarded = await lab.forwardPort({ place: members[0]?.name ?? '', port: consolePort })
  onTestFinished(async () => forwarded.close())
  const url = `http://127.0.0.1:${forwarded.port}/`
  await expect.poll(async () => isServed(url), { timeout: 60_000 }).toBe(true)
  return url
}

/** A connection made before the agent listens may never be answered. */
async function isServed(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}healthz`, { signal: AbortSignal.timeout(2_000) })).ok
  } catch {
    return false
  }
}

/** Returns a moment from now on that the agent has a record of, as soon as it has one. */
async function recordedUntil(url: string): Promise<number> {
  const nowMs = Date.now()
  let newestMs = 0
  const find = async () => {
    const { record } = (await (await fetch(`${url}api/v1/links`)).json()) as LinksDocument
    newestMs = Math.floor(record?.toMs ?? 0)
    return newestMs
  }
  await expect.poll(find, { timeout: 60_000 }).toBeGreaterThan(nowMs)
  return newestMs
}

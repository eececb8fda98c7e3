import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, onTestFinished } from 'vitest'
import { assertPageBuilt } from '../support/built.ts'
import { describeWith, testWith } from '../support/requirements.ts'
import { accessibilityOf, openPage, startBrowser } from './browser.ts'
import { type SyntheticOptions, startSyntheticServer } from './synthetic-server.mjs'

const timeout = 120_000
const test = testWith('chromium')

describeWith('chromium')('the page of a mesh of documents', () => {
  let browser: Browser
  beforeAll(async () => {
    assertPageBuilt()
    browser = await startBrowser()
  }, timeout)
  afterAll(async () => browser.close(), timeout)

  test.each([
    ['#/', { colorScheme: 'dark' }],
    ['#/', { colorScheme: 'light' }],
    ['#/?node=node-1', { colorScheme: 'dark', viewport: { width: 390, height: 844 } }],
    ['#/link/node-1/node-2', { colorScheme: 'dark' }],
    ['#/link/node-1/node-2', { colorScheme: 'light', viewport: { width: 390, height: 844 } }],
    ['#/services', { colorScheme: 'light' }],
    ['#/self', { colorScheme: 'dark' }],
  ] as const)('is accessible and no wider than its window: %s %j', { timeout }, async (hash, options) => {
    const { url } = await startServer({ nodes: 4 })
    const page = await openPage(browser, url + hash, options)
    await page.getByText('live', { exact: true }).first().waitFor()
    await page.locator('h2:visible').first().waitFor()
    if (hash.includes('link/')) await page.locator('.u-over').first().waitFor()
    expect(await accessibilityOf(page)).toEqual([])
    const excess: number = await page.evaluate('document.documentElement.scrollWidth - innerWidth')
    expect(excess).toBeLessThanOrEqual(0)
  })

  test('is used by the keyboard alone: to the trouble, into its link, back to the matrix', { timeout }, async () => {
    const { url } = await startServer({ nodes: 4 })
    const page = await openPage(browser, url)
    const matrix = page.getByRole('application', { name: /^Matrix of links between 4 nodes: 1 failing/ })
    await matrix.focus()
    await page.keyboard.press('n')
    const readout = page.locator('.readout')
    await readout.getByText('node-1 (zone-a) → node-2 (zone-b): failing, udp, udp-large: timeout').waitFor()
    await page.keyboard.press('ArrowRight')
    await readout.getByText('node-1 (zone-a) → node-4 (zone-b): ok').waitFor()
    await page.keyboard.press('p')
    await page.keyboard.press('Enter')
    const panel = page.getByRole('complementary', { name: 'node-1 → node-2' })
    await panel.getByText('failing: udp, udp-large: timeout').waitFor()
    await panel.getByText('no answer within 3500 ms').first().waitFor()
    expect(new URL(page.url()).hash).toBe('#/link/node-1/node-2')
    await page.keyboard.press('Escape')
    await panel.waitFor({ state: 'detached' })
    await page.locator('canvas:focus').waitFor()
    await page.goBack()
    await panel.waitFor()
  })

  test('goes back to the time before a fault, and to the present', { timeout }, async () => {
    const { url } = await startServer({ nodes: 4 })
    const page = await openPage(browser, url)
    await page.getByText('UDP is dropped: node-1 -> node-2').waitFor()
    await page.getByRole('slider', { name: 'Time' }).focus()
    await page.keyboard.press('Home')
    await page.getByText('None. All 12 links with results pass.').waitFor()
    await page.getByText('Showing the past').waitFor()
    expect(page.url()).toContain('?at=')
    await page.getByRole('button', { name: 'Back to live' }).click()
    await page.getByText('UDP is dropped: node-1 -> node-2').waitFor()
  })

  test('shows of a link which sizes, flows and idle flows work, where packets get lost, and all results', {
    timeout,
  }, async () => {
    const { url } = await startServer({ nodes: 4 })
    const page = await openPage(browser, `${url}#/link/node-1/node-2`)
    const panel = page.getByRole('complementary', { name: 'node-1 → node-2' })
    const sizes = panel.getByRole('region', { name: 'Sizes' })
    await sizes.getByRole('row', { name: /^1,400 bytes udp-large timeout/ }).waitFor()
    await sizes.getByText('Largest working packet: 1,450 bytes of the 1,500 that node-1 sends').waitFor()
    await sizes.getByText('1,450 bytes pass, 1,451 bytes do not').waitFor()
    const flows = panel.getByRole('region', { name: 'Flows' })
    await flows.getByText('node-1 → node-2: 3 of 8 flows lose packets').waitFor()
    expect(await flows.locator('li.failing').allInnerTexts()).toEqual(
      [0, 3, 6].map((flow) => expect.stringMatching(new RegExp(`^udp 4100${flow}\\s+100 % lost$`))),
    )
    await panel.getByRole('region', { name: 'Kept and idle flows' }).getByText('works after 605 s').waitFor()

    const name = 'Trace from node-1 to node-2 over tcp: 5 of 8 flows arrive'
    const picture = panel.getByRole('img', { name })
    expect(await picture.locator('g').allTextContents()).toEqual([
      expect.stringContaining('sends'),
      expect.stringMatching(/^10\.0\.1\.1.*90\.0 µs, all answered$/),
      expect.stringMatching(/^10\.0\.2\.9.*210 µs, 33\.3 % unanswered$/),
      expect.stringMatching(/^10\.0\.2\.1.*210 µs, all answered$/),
      expect.stringMatching(/^hop 3: no answer.*100 % unanswered$/),
      expect.stringMatching(/^nothing from hop 3 on.*3 flows lost$/),
      expect.stringMatching(/^10\.244\.2\.5.*480 µs, all answered$/),
    ])
    expect(await picture.locator('path').count()).toBe(6)
    await panel.getByRole('region', { name, exact: true }).locator('..').getByText('As a table').click()
    await panel.getByRole('row', { name: '3 to 4 nobody 3 100 %' }).waitFor()

    await panel.getByRole('img', { name: 'Packets lost, by direction: node-1 → node-2: 0 to 100 %' }).waitFor()
    await panel.getByRole('combobox', { name: /^Check/ }).selectOption('http')
    await panel
      .getByRole('img', { name: /^Phases of the last results.*: connect: 0\.120 .* server: 0\.300 / })
      .waitFor()
    await panel.getByText('Last results, by phase').click()
    await panel.getByText('collected for incident e20b807f178c').first().waitFor()
    expect(await accessibilityOf(page)).toEqual([])
  })

  test('keeps a fault of one view to that view, and says what to do', { timeout }, async () => {
    const { url } = await startServer({ nodes: 4, broken: '/api/v1/self' })
    const page = await openPage(browser, `${url}#/self`)
    const notice = page.getByRole('alert', { name: 'This agent' })
    await notice.getByText(/^This agent cannot be shown because of a defect of this page/).waitFor()
    await notice.getByRole('button', { name: 'Try again' }).waitFor()
    await page.getByRole('banner').getByText('live', { exact: true }).waitFor()
    await page.getByRole('link', { name: 'Mesh' }).click()
    await page.getByText('UDP is dropped: node-1 -> node-2').waitFor()
  })

  test('holds no connection while its tab is hidden, and is stale until it has asked again', { timeout }, async () => {
    const { url, streams } = await startServer({ nodes: 4 })
    const page = await openPage(browser, url)
    await page.getByRole('banner').getByText('live', { exact: true }).waitFor()
    expect(streams()).toBe(1)
    await setHidden(page, true)
    await expect.poll(streams, { timeout: 10_000 }).toBe(0)
    await page.getByText(/^Stale: as of .* because this tab was hidden/).waitFor()
    await setHidden(page, false)
    await page.getByRole('banner').getByText('live', { exact: true }).waitFor()
    await expect.poll(streams, { timeout: 10_000 }).toBe(1)
  })

  test('says that the agent is gone, and keeps what it knew', { timeout }, async () => {
    const server = await startServer({ nodes: 4 })
    const page = await openPage(browser, server.url)
    await page.getByText('UDP is dropped: node-1 -> node-2').waitFor()
    server.close()
    await page.getByText(/^Stale: this agent has not answered for/).waitFor()
    await page.getByText('UDP is dropped: node-1 -> node-2').waitFor()
  })

  test('asks for the token that the API needs', { timeout }, async () => {
    const { url } = await startServer({ nodes: 4, token: 'a secret' })
    const page = await openPage(browser, url)
    await page.getByLabel(/asks for its token/).fill('a secret')
    await page.keyboard.press('Enter')
    await page.getByText('UDP is dropped: node-1 -> node-2').waitFor()
  })

  test('shows the words of peers as text', { timeout }, async () => {
    const hostile = '<img src=x onerror=alert(1)>"\'&amp;'
    const { url } = await startServer({ nodes: 4, firstNode: hostile })
    const page = await openPage(browser, url)
    await page.getByText(`UDP is dropped: ${hostile} -> node-2`).waitFor()
    await page.getByRole('button', { name: `Open the link ${hostile} → node-2` }).click()
    await page.getByRole('heading', { name: `${hostile} → node-2` }).waitFor()
    expect(await page.locator('img').count()).toBe(0)
  })

  test('finds the one failing link among 300 nodes', { timeout }, async () => {
    const { url } = await startServer({ nodes: 300, zones: 4 })
    const page = await openPage(browser, url)
    await page.getByRole('application', { name: /between 300 nodes: 1 failing/ }).focus()
    await page.keyboard.press('n')
    await page.locator('.readout').getByText('node-1 (zone-a) → node-2 (zone-b): failing').waitFor()
    await page.getByText('Links of one node as a table').click()
    await page.getByRole('button', { name: 'node-1 → node-2: udp, udp-large: timeout' }).waitFor()
  })
})

/** Does what a browser does when another tab is chosen; one without a window never does. */
async function setHidden(page: Page, isHidden: boolean): Promise<void> {
  await page.evaluate(`
    Object.defineProperty(document, 'hidden', { value: ${isHidden}, configurable: true })
    document.dispatchEvent(new Event('visibilitychange'))`)
}

/** Serves a synthetic mesh until the test ends. */
async function startServer(options: SyntheticOptions) {
  const server = await startSyntheticServer({ zones: 2, ...options })
  onTestFinished(server.close)
  return server
}

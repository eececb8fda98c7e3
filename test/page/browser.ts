import axe from 'axe-core'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { expect, onTestFinished } from 'vitest'

/** Debian's; where it is not, the tests skip themselves. */
const executablePath = '/usr/bin/chromium'

/** Generous, because the browser may share a core with others. */
const patienceMs = 30_000

export async function startBrowser(): Promise<Browser> {
  // Containers seldom allow the namespaces of its sandbox, and it loads only pages of this repository.
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'] })
}

/** Opens a page until the test ends, and fails the test if the page reports an error or a violation of its policy. */
export async function openPage(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options })
  context.setDefaultTimeout(patienceMs)
  const page = await context.newPage()
  const errors: string[] = []
  page.on('pageerror', ({ message }) => errors.push(message))
  page.on('console', (message) => {
    // Answers other than 200 are expected by some tests, and shown by the page.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) errors.push(message.text())
  })
  onTestFinished(async () => {
    await context.close()
    expect(errors).toEqual([])
  })
  await page.goto(url)
  return page
}

/** Returns what axe finds wrong with the page as it is, one line for each rule. */
export async function accessibilityOf(page: Page): Promise<readonly string[]> {
  // By the debugger, because the policy of the page allows no foreign script.
  await page.evaluate(axe.source)
  const violations: { readonly id: string; readonly nodes: readonly { readonly html: string }[] }[] =
    await page.evaluate('axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => violations)')
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
}

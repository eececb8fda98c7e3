// What the page of a mesh of 300 nodes costs: until it is drawn, and from a key to the next frame.

import { chromium } from 'playwright-core'
import { startSyntheticServer } from '../page/synthetic-server.mjs'

const nodes = 300
const server = await startSyntheticServer({ nodes, zones: 4 })
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] })
const page = await browser.newPage()
await page.goto(server.url)
await page.getByRole('application').focus()
/** @type {number} */
const paintedMs = await page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
/** @type {number} */
const drawnMs = await page.evaluate('performance.now()')

/**
 * Returns the times from an event to the end of the frame that shows it, sorted.
 *
 * @param {string} act an expression that causes it
 * @param {number} times
 */
async function interact(act, times) {
  /** @type {number[]} */
  const tookMs = await page.evaluate(`(async () => {
    const took = []
    for (let time = 0; time < ${times}; time++) {
      const startMs = performance.now()
      ${act}
      await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)))
      took.push(performance.now() - startMs)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    return took
  })()`)
  return tookMs.toSorted((a, b) => a - b)
}

const press = (/** @type {string} */ key) =>
  `document.querySelector('canvas').dispatchEvent(new KeyboardEvent('keydown', { key: '${key}', bubbles: true }))`
const choose = `
  const choice = document.querySelector('form.filter select')
  choice.value = choice.options[1 + (time % (choice.options.length - 1))].value
  choice.dispatchEvent(new Event('change', { bubbles: true }))`
const rows = Object.entries({
  'move the cursor': await interact(press('ArrowRight'), 50),
  'find the next trouble': await interact(press('n'), 50),
  'show another protocol': await interact(choose, 20),
})
await browser.close()
server.close()

const text = (/** @type {number | undefined} */ ms) => `${(ms ?? 0).toFixed(1)} ms`
console.log(`page of ${nodes} nodes: first paint after ${text(paintedMs)}, matrix after ${text(drawnMs)}`)
console.table(
  Object.fromEntries(
    rows.map(([name, times]) => [name, { median: text(times[times.length >> 1]), longest: text(times.at(-1)) }]),
  ),
)

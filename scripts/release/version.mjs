// npm run release:version: applies the pending changesets: sets the next version of all packages and writes the changelog.
// Changesets would write one changelog per package; because all packages share one version, there is one at the top.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root, run, runNpm, step } from '../command.mjs'

const changelog = join(root, 'CHANGELOG.md')
const folder = join(root, '.changeset')
const summaries = readdirSync(folder)
  .filter((name) => name.endsWith('.md') && name !== 'README.md')
  .map((name) => summaryOf(readFileSync(join(folder, name), 'utf8')))
if (summaries.length === 0) {
  console.error('nothing to release: describe a change with npm run changeset')
  process.exit(1)
}

const changeset = join(root, 'node_modules/.bin/changeset')
if (!(await step('setting the next version of the packages', () => run(changeset, ['version'])))) process.exit(1)
if (!(await step('updating the lock file', () => runNpm(['install', '--package-lock-only'])))) process.exit(1)

/** @type {{ version: string }} */
const { version } = JSON.parse(readFileSync(join(root, 'packages/core/package.json'), 'utf8'))
const [introduction, ...sections] = readFileSync(changelog, 'utf8').split(/^(?=## )/m)
const section = `## ${version}\n\n${summaries.join('\n')}\n\n`
writeFileSync(changelog, [introduction, section, ...sections].join(''))
console.log(`the next version is ${version}`)

/** Returns the text below the front matter, as one list item. */
function summaryOf(/** @type {string} */ text) {
  const summary = text.replace(/^---[\s\S]*?^---\s*/m, '').trim()
  return `- ${summary.replaceAll(/\n(?=.)/g, '\n  ')}`
}

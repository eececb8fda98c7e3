// npm run release:version: takes the pending changesets, gives all packages their next version and writes the changelog.
// Changesets would write one changelog a package; as all share one version, one at the top says it all.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root, run, runNpm, step } from '../command.mjs'

const changelog = join(root, 'CHANGELOG.md')
const folder = join(root, '.changeset')
const summaries = readdirSync(folder)
  .filter((name) => name.endsWith('.md') && name !== 'README.md')
  .map((name) => summaryOf(readFileSync(join(folder, name), 'utf8')))
if (summaries.length === 0) {
  console.error('there is nothing to release: npm run changeset describes a change')
  process.exit(1)
}

const changeset = join(root, 'node_modules/.bin/changeset')
if (!(await step('giving the packages their next version', () => run(changeset, ['version'])))) process.exit(1)
if (!(await step('updating the lock file', () => runNpm(['install', '--package-lock-only'])))) process.exit(1)

/** @type {{ version: string }} */
const { version } = JSON.parse(readFileSync(join(root, 'packages/core/package.json'), 'utf8'))
const [introduction, ...sections] = readFileSync(changelog, 'utf8').split(/^(?=## )/m)
const section = `## ${version}\n\n${summaries.join('\n')}\n\n`
writeFileSync(changelog, [introduction, section, ...sections].join(''))
console.log(`the next version is ${version}`)

/** The text below the front matter, as one item of a list. */
function summaryOf(/** @type {string} */ text) {
  const summary = text.replace(/^---[\s\S]*?^---\s*/m, '').trim()
  return `- ${summary.replaceAll(/\n(?=.)/g, '\n  ')}`
}

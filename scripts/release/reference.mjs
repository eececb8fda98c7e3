// npm run docs: writes the pages of docs/reference from the sources. With --check it writes nothing and fails if a page in the repository
// is stale.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { root } from '../command.mjs'
import { prepare } from '../prepare.mjs'

await prepare('start')

// Imports work only now that everything is built. Each page is one line.
const pages = {
  'docs/reference/probes.md': (await import('./reference/probes.mjs')).probesPage,
  'docs/reference/api.md': (await import('./reference/api.mjs')).apiPage,
  'docs/reference/metrics.md': (await import('./reference/metrics.mjs')).metricsPage,
  'docs/reference/causes.md': (await import('./reference/causes.mjs')).causesPage,
  'docs/reference/incidents.md': (await import('./reference/incidents.mjs')).incidentsPage,
  'docs/reference/settings.md': (await import('./reference/settings.mjs')).settingsPage,
}

for (const [name, page] of Object.entries(pages)) {
  const path = join(root, name)
  const isStale = !existsSync(path) || readFileSync(path, 'utf8') !== page()
  if (!isStale) continue
  if (process.argv.includes('--check')) {
    console.error(`${name} is stale: npm run docs`)
    process.exitCode = 1
  } else {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, page())
  }
}

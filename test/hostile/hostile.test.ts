import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { namespaces } from '../support/child.ts'
import { printedBy } from '../support/program.ts'
import { testWith } from '../support/requirements.ts'

const program = fileURLToPath(new URL('main.mjs', import.meta.url))

testWith('ip', 'nsenter', namespaces)(
  'a healthy mesh stays well beside a hostile neighbour: npm run test:hostile -- --minutes 15 does it for longer',
  { timeout: 120_000 },
  async () => {
    const printed = await printedBy(program, ['--minutes', '0.15', '--this-node'])
    expect(printed.match(/^held /gm)).toHaveLength(6)
  },
)

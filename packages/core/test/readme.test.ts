import { expect } from 'vitest'
import { namespaces } from '../../../test/support/child.ts'
import { examplesIn, runExample } from '../../../test/support/example.ts'
import { testWith } from '../../../test/support/requirements.ts'

const it = testWith('ip', namespaces)

it('the ten-line library example prints what it shows', async () => {
  const [tenLines = ''] = examplesIn('packages/core/README.md')
  expect(tenLines.split('\n').filter((line) => line !== '').length).toBeLessThanOrEqual(10)
  const [connected, ...statistics] = (await runExample(tenLines)).split('\n')
  expect(connected).toMatch(/^connected in \d+ ns$/)
  expect(statistics.join('\n')).toMatch(/sent: 5,\s+received: 5,/)
})

it('the responders answer and close', async () => {
  const [, responders = ''] = examplesIn('packages/core/README.md')
  expect(await runExample(responders)).toBe(
    '{ answered: 0, rejected: 0, unsent: 0, refused: 0 } { answered: 0, rejected: 0, unsent: 0, dropped: 0 }\n',
  )
})

it('the first example runs', async () => {
  const [first = ''] = examplesIn('README.md')
  expect(await runExample(first)).toMatch(/^\d+ ns\n$/)
})

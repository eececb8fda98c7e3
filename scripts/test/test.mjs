import { prepare } from '../prepare.mjs'
import { closeReport, retry } from './report.mjs'

await prepare('test')

// Only now is there a vitest to import.
const { parseCLI, startVitest } = await import('vitest/node')
const { filter, options } = parseCLI(['vitest', 'run', ...process.argv.slice(2)])
const vitest = await startVitest('test', filter, { retry, ...options })
closeReport(vitest)

import { prepare } from './prepare.mjs'
import { report } from './test-report.mjs'

await prepare('test')

// Only now is there a vitest to import.
const { parseCLI, startVitest } = await import('vitest/node')
const { filter, options } = parseCLI(['vitest', 'run', ...process.argv.slice(2)])
const vitest = await startVitest('test', filter, options)

const { passed, failed, skipped } = report(vitest)
for (const { name, reason } of skipped.filter(({ reason }) => reason !== undefined)) {
  console.log(`skipped: ${name}: ${reason}`)
}
// A filter by name skips all the others, and no test can give a reason for that.
const unexplained = vitest.config.testNamePattern ? [] : skipped.filter(({ reason }) => reason === undefined)
for (const { name } of unexplained) console.log(`skipped without a reason, which fails the run: ${name}`)
if (unexplained.length > 0) process.exitCode = 1
console.log(`${passed} passed, ${failed} failed, ${skipped.length} skipped`)
// A handle that a test left open is vitest's to report, and must not keep the run alive.
process.exit()

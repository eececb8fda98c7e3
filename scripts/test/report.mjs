/** @typedef {import('vitest/node').Vitest} Vitest */

/**
 * How often a failed test is repeated. What decides whether a change is merged runs thousands of tests with real packets on machines that
 * others use, too; nobody is there to start it again. A test that passes only then is reported.
 */
export const retry = process.env['CI'] === undefined ? 0 : 1

/**
 * Prints the skipped tests with their reasons and the totals, and ends the process. A test that skips itself without a reason fails the
 * run.
 *
 * @param {Vitest} vitest
 * @returns {never}
 */
export function closeReport(vitest) {
  const { passed, failed, skipped, repeated } = report(vitest)
  for (const { name, message } of repeated) {
    console.log(`passed only when repeated, so test or product has a fault to find: ${name}: ${message}`)
  }
  for (const { name, reason } of skipped.filter(({ reason }) => reason !== undefined)) {
    console.log(`skipped: ${name}: ${reason}`)
  }
  // A filter by name skips all other tests, and no test can give a reason for that.
  const unexplained = vitest.config.testNamePattern ? [] : skipped.filter(({ reason }) => reason === undefined)
  for (const { name } of unexplained) console.log(`skipped without a reason, which fails the run: ${name}`)
  if (unexplained.length > 0) process.exitCode = 1
  console.log(`${passed} passed, ${failed} failed, ${skipped.length} skipped`)
  // A handle that a test left open is reported by vitest, and must not keep the run alive.
  process.exit()
}

/**
 * Summarizes a run. A file or suite that broke outside its tests counts as one failure, and so does a stray error.
 *
 * @param {Vitest} vitest
 * @returns {{
 *   passed: number,
 *   failed: number,
 *   skipped: readonly { name: string, reason: string | undefined }[],
 *   repeated: readonly { name: string, message: string }[],
 * }}
 */
function report(vitest) {
  let passed = 0
  let failed = vitest.state.getUnhandledErrors().length
  const skipped = []
  const repeated = []
  for (const module of vitest.state.getTestModules()) {
    failed += [module, ...module.children.allSuites()].filter((part) => part.errors().length > 0).length
    for (const test of module.children.allTests()) {
      const result = test.result()
      const name = `${module.project.name}: ${module.relativeModuleId} > ${test.fullName}`
      if (result.state === 'passed') passed += 1
      else if (result.state === 'failed') failed += 1
      else skipped.push({ name, reason: noteOf(result) })
      const [error] = result.state === 'passed' ? (result.errors ?? []) : []
      if (error !== undefined) repeated.push({ name, message: error.message })
    }
  }
  return { passed, failed, skipped, repeated }
}

/**
 * A `pending` test never ran, so it has no note either.
 *
 * @param {import('vitest/node').TestResult} result
 */
function noteOf(result) {
  return result.state === 'skipped' ? result.note : undefined
}

/** @typedef {import('vitest/node').Vitest} Vitest */

/**
 * What came of a run. A file or suite that broke outside its tests counts as one failure, and so does a stray error.
 *
 * @param {Vitest} vitest
 * @returns {{ passed: number, failed: number, skipped: readonly { name: string, reason: string | undefined }[] }}
 */
export function report(vitest) {
  let passed = 0
  let failed = vitest.state.getUnhandledErrors().length
  const skipped = []
  for (const module of vitest.state.getTestModules()) {
    failed += [module, ...module.children.allSuites()].filter((part) => part.errors().length > 0).length
    for (const test of module.children.allTests()) {
      const result = test.result()
      if (result.state === 'passed') passed += 1
      else if (result.state === 'failed') failed += 1
      else skipped.push({ name: `${module.relativeModuleId} > ${test.fullName}`, reason: noteOf(result) })
    }
  }
  return { passed, failed, skipped }
}

/**
 * `pending` is a test that never came to run, which has no note either.
 *
 * @param {import('vitest/node').TestResult} result
 */
function noteOf(result) {
  return result.state === 'skipped' ? result.note : undefined
}

// npm run test:mutation: changes the code in small ways, one at a time, and counts how many of these mutants the tests notice. StrykerJS
// makes the mutants and runs vitest. It is fetched when it is first needed, because nothing else needs it and it has a hundred packages.

import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { equivalents } from '../../test/mutation/equivalents.mjs'
import { files } from '../../test/mutation/files.mjs'
import { root, runNpm, seconds, step } from '../command.mjs'
import { prepare } from '../prepare.mjs'

/**
 * @typedef {{ line: number, column: number }} Place
 * @typedef {{ mutatorName: string, replacement?: string, status: string, location: { start: Place, end: Place } }} ReportedMutant
 * @typedef {{ at: string, from: string, to: string }} Change the whole line, and what in it becomes what
 * @typedef {Change & { place: string, status: string, isKilled: boolean }} Mutant
 */

const leastScore = 0.9
const strykerVersion = '9.6.1'
/** Not below node_modules, where vitest refuses to load TypeScript. */
const cache = join(root, '.cache/mutation', strykerVersion)
const report = join(cache, 'report.json')
const stryker = join(cache, 'node_modules/@stryker-mutator/core/bin/stryker.js')

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { minutes: { type: 'string', default: '20' }, help: { type: 'boolean', short: 'h' } },
})
if (values.help === true) {
  console.log(`usage: npm run test:mutation -- [options] [files]

Prints for each file of test/mutation/files.mjs, or those whose path contains one of the arguments, how many mutants the tests notice, and
which they do not. Fails if it is less than ${leastScore * 100} % in any file, without those that test/mutation/equivalents.mjs lists.

  --minutes NUMBER  time limit for each file (${values.minutes})`)
  process.exit(0)
}
const chosen = files.filter(({ file }) => positionals.length === 0 || positionals.some((part) => file.includes(part)))
if (chosen.length === 0) {
  console.error(`no file of test/mutation/files.mjs contains ${positionals.join(' or ')}`)
  process.exit(2)
}
await prepare('test')
if (!existsSync(stryker) && !(await step('fetching StrykerJS', fetchStryker))) process.exit(1)

const problems = []
const total = { killed: 0, counted: 0 }
for (const { file, tests } of chosen) {
  const startMs = performance.now()
  const mutants = await mutantsOf(file, tests)
  if (mutants === undefined) {
    problems.push(`${file}: no score; the output of StrykerJS is above`)
    continue
  }
  const listed = equivalents[file] ?? []
  const isListed = (/** @type {Mutant} */ mutant) => listed.some((entry) => isSame(entry, mutant))
  for (const entry of listed) {
    const same = mutants.filter((mutant) => isSame(entry, mutant))
    const why =
      same.length === 0 ? 'no longer exists' : same.some(({ isKilled }) => isKilled) ? 'is noticed' : undefined
    if (why !== undefined) problems.push(`${file}: remove "${entry.from}" to "${entry.to}" from the list: it ${why}`)
  }
  const counted = mutants.filter((mutant) => !isListed(mutant))
  const survivors = counted.filter(({ isKilled }) => !isKilled)
  const killed = counted.length - survivors.length
  total.killed += killed
  total.counted += counted.length
  const without = mutants.length - counted.length
  if (killed < leastScore * counted.length) problems.push(`${file}: less than ${leastScore * 100} % are noticed`)
  console.log(`${scoreText(killed, counted.length)} (without ${without} equivalent) in ${seconds(startMs)}: ${file}`)
  for (const { place, from, to, status } of survivors) console.log(`  ${place} ${status}: ${from} -> ${to}`)
}
console.log(`${scoreText(total.killed, total.counted)} in ${chosen.length} files`)
for (const problem of problems) console.error(problem)
process.exitCode = problems.length > 0 ? 1 : 0

function fetchStryker() {
  mkdirSync(cache, { recursive: true })
  writeFileSync(join(cache, 'package.json'), '{ "private": true }\n')
  const packages = ['core', 'vitest-runner'].map((name) => `@stryker-mutator/${name}@${strykerVersion}`)
  // Without its peers: vitest is the one of this repository.
  return runNpm(['install', '--no-save', '--no-package-lock', '--legacy-peer-deps', ...packages], { cwd: cache })
}

/**
 * Runs the tests on every mutant of a file. Returns undefined if the tests fail without a mutant, or if the time is over.
 *
 * @param {string} file
 * @param {readonly string[]} tests
 * @returns {Promise<readonly Mutant[] | undefined>}
 */
async function mutantsOf(file, tests) {
  rmSync(report, { force: true })
  const config = join(cache, 'stryker.config.json')
  writeFileSync(
    config,
    JSON.stringify({
      mutate: [file],
      testRunner: 'vitest',
      vitest: { configFile: 'vitest.mutation.config.ts', related: false },
      // Tests that share two cores with another mutant would fail by their timeouts.
      concurrency: 1,
      // A mutant that waits for ever ends with the test's own timeout.
      timeoutMS: 15_000,
      disableTypeChecks: false,
      // It would read this file, and cannot with TypeScript 7, which has no interface for JavaScript.
      tsconfigFile: 'none',
      reporters: ['json'],
      jsonReporter: { fileName: report },
      tempDirName: join(cache, 'sandbox'),
      ignorePatterns: ['.cache', 'docs', 'deploy'],
      // Threads and processes run what was built, without the mutants; tests check that it is no older than the sources.
      buildCommand:
        'touch packages/core/dist/.tsbuildinfo packages/agent/dist/.tsbuildinfo packages/cli/dist/.tsbuildinfo',
      cleanTempDir: 'always',
      logLevel: 'error',
      allowConsoleColors: false,
    }),
  )
  const isDone = await ranInTime(process.execPath, [stryker, 'run', config], {
    env: { ...process.env, SCOUT_MUTATION_TESTS: JSON.stringify(tests) },
  })
  if (!isDone || !existsSync(report)) return undefined
  const { files: reported } = JSON.parse(readFileSync(report, 'utf8'))
  const { source, mutants } = reported[file]
  return mutants.map((/** @type {ReportedMutant} */ mutant) => mutantOf(source.split('\n'), mutant))
}

/**
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ env: NodeJS.ProcessEnv }} options
 * @returns {Promise<boolean>}
 */
function ranInTime(program, args, options) {
  return new Promise((resolve) => {
    // Detached, so that the signal reaches what it started, too.
    const child = spawn(program, args, {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
      detached: true,
      ...options,
    })
    const limit = setTimeout(() => process.kill(-(child.pid ?? 0), 'SIGKILL'), Number(values.minutes) * 60_000)
    child.on('close', (code) => {
      clearTimeout(limit)
      resolve(code === 0)
    })
  })
}

/**
 * @param {readonly string[]} lines of the source
 * @param {ReportedMutant} mutant
 * @returns {Mutant}
 */
function mutantOf(lines, { mutatorName, replacement = mutatorName, status, location: { start, end } }) {
  const range = lines.slice(start.line - 1, end.line)
  const at = lines[start.line - 1] ?? ''
  const last = range.length - 1
  const from = range.map((line, index) =>
    line.slice(index === 0 ? start.column - 1 : 0, index === last ? end.column - 1 : undefined),
  )
  return {
    at: inOneLine(at),
    from: inOneLine(from.join('\n')),
    to: inOneLine(replacement),
    place: `${start.line}:${start.column}`,
    status,
    isKilled: status === 'Killed' || status === 'Timeout',
  }
}

/**
 * @param {Change} entry
 * @param {Change} mutant
 */
function isSame(entry, mutant) {
  return entry.at === mutant.at && entry.from === mutant.from && entry.to === mutant.to
}

/** @param {string} text */
function inOneLine(text) {
  return text.trim().replaceAll(/\s+/g, ' ')
}

/**
 * @param {number} killed
 * @param {number} counted
 */
function scoreText(killed, counted) {
  return `${((killed / Math.max(1, counted)) * 100).toFixed(1)} % of ${counted} mutants noticed`
}

// npm run test:memory: the tests of the native part under AddressSanitizer, UndefinedBehaviorSanitizer and LeakSanitizer of gcc.
// What they find in our own code is printed and fails the run; Node itself is not instrumented.

import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = dirname(fileURLToPath(import.meta.url))
const root = join(folder, '../../..')
const work = mkdtempSync(join(tmpdir(), 'scout-memory-'))
const build = join(work, 'native')
const reports = join(work, 'reports')

try {
  process.exitCode = test() ? 0 : 1
} finally {
  rmSync(work, { recursive: true })
}

function test() {
  compile()
  mkdirSync(reports)
  const { status } = spawnSync(
    process.execPath,
    [
      join(root, 'node_modules/vitest/vitest.mjs'),
      'run',
      'packages/core/test/net/native',
      'packages/core/test/net/packets',
      'packages/core/test/net/tcp',
      'packages/core/test/net/trace',
      'packages/core/test/probes/icmp',
      'packages/core/test/probes/udp',
      'packages/core/test/responders/stamp',
      'packages/core/test/responders/udp',
      'packages/core/test/responders/arrivals',
      'packages/core/test/attempt/tasks',
      '--testTimeout=60000',
      // What is slow under sanitizers may be late once.
      '--retry=1',
    ],
    {
      cwd: root,
      stdio: 'inherit',
      env: {
        ...process.env,
        SCOUT_NATIVE: build,
        LD_PRELOAD: execFileSync('gcc', ['-print-file-name=libasan.so'], { encoding: 'utf8' }).trim(),
        // raw-socket, the fallback in some tests, deletes a uv_poll_t as a uv_handle_t: harmless, and not our code.
        ASAN_OPTIONS: `detect_leaks=1:new_delete_type_mismatch=0:log_path=${reports}/address`,
        // Programs that the tests start inherit all this, and some leak.
        LSAN_OPTIONS: 'exitcode=0',
        UBSAN_OPTIONS: `print_stacktrace=1:log_path=${reports}/undefined`,
      },
    },
  )
  const found = readdirSync(reports)
    .map((name) => readFileSync(join(reports, name), 'utf8'))
    .filter(isOurs)
  for (const report of found) console.log(report)
  console.log(`sanitizers: ${found.length === 0 ? 'nothing found' : `${found.length} reports, above`}`)
  return status === 0 && found.length === 0
}

/**
 * Returns whether a report is about our code. What V8 allocates for itself while our code calls it leaks whenever a process ends at once:
 * a leak is ours only if our code allocated it.
 *
 * @param {string} report
 */
function isOurs(report) {
  const ours = /\bscout\.node\b|\/native\/\w+\.[ch]\b|\s\.\.\/\w+\.[ch]:\d/
  return report.split('\n\n').some((part) => {
    const frames = / leak of \d+ byte/.test(part) ? part.split('\n').filter((line) => /^\s*#1 /.test(line)) : [part]
    return frames.some((frame) => ours.test(frame))
  })
}

function compile() {
  cpSync(folder, build, { recursive: true, filter: (path) => !path.startsWith(join(folder, 'build')) })
  // npm ships node-gyp and passes its path to scripts.
  const nodeGyp = process.env['npm_config_node_gyp']
  if (nodeGyp === undefined) throw new Error('run this by npm run test:memory')
  const { status, stdout, stderr } = spawnSync(process.execPath, [nodeGyp, 'rebuild', '--sanitize=1', '--strict=1'], {
    cwd: build,
    encoding: 'utf8',
    env: { ...process.env, npm_config_nodedir: dirname(dirname(process.execPath)) },
  })
  if (status === 0) return
  process.stderr.write(`${stdout}${stderr}`)
  throw new Error('the native part could not be built with sanitizers: they come with gcc as libasan and libubsan')
}

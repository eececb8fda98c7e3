import { execFileSync } from 'node:child_process'
import { assertBuilt } from './built.ts'
import { unshare } from './child.ts'

/** Paths that programs of `runAlone` import. */
const modules = {
  CORE: new URL('../../packages/core/dist/index.js', import.meta.url).href,
  RAW: new URL('raw.mjs', import.meta.url).href,
}

/** Shell command that starts Node without CAP_NET_RAW, although it is root (capabilities(7)). */
export const withoutRawSockets = 'setpriv --bounding-set -net_raw --inh-caps -net_raw'

/**
 * Runs a program of Node as root of a network namespace of its own, which no packet leaves. It finds @scout/core, as it was built, at
 * `process.env.CORE` and raw.mjs at `process.env.RAW`. Returns the lines it prints, each parsed as JSON.
 */
export function runAlone(program: string, environment: Readonly<Record<string, string>> = {}): readonly unknown[] {
  assertBuilt('packages/core')
  const [file, ...args] = [...unshare, 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh', process.execPath]
  const printed = execFileSync(file, [...args, '--input-type=module', '-e', program], {
    encoding: 'utf8',
    env: { ...process.env, ...modules, ...environment },
    timeout: 25_000,
  })
  return printed
    .split('\n')
    .filter((line) => line !== '')
    .map((line): unknown => JSON.parse(line))
}

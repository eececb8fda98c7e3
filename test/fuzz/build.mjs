import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from '../../scripts/command.mjs'

const folder = dirname(fileURLToPath(import.meta.url))
const native = join(folder, '../../packages/core/native')
const headers = join(dirname(dirname(process.execPath)), 'include/node')

/** System calls that native.c answers in place of the kernel. */
const wrapped = ['recvmmsg', 'sendmmsg', 'getsockopt', 'setsockopt', 'connect', 'getsockname']

/**
 * Builds libFuzzer as an add-on of Node.
 *
 * @param {string} output
 */
export async function buildBridge(output) {
  const machine = process.arch === 'arm64' ? 'aarch64' : 'x86_64'
  const library = await run('clang', [`-print-file-name=libclang_rt.fuzzer_no_main-${machine}.a`])
  const whole = ['-Wl,--whole-archive', library.output.trim(), '-Wl,--no-whole-archive']
  return run('clang++', [
    '-shared',
    '-fPIC',
    '-O1',
    '-g',
    `-I${headers}`,
    '-x',
    'c',
    join(folder, 'bridge.c'),
    '-x',
    'none',
    ...whole,
    '-o',
    output,
  ])
}

/**
 * Builds the program that fuzzes the C of the packet engine.
 *
 * @param {string} output
 */
export function buildNative(output) {
  const sources = readdirSync(native).filter((name) => name.endsWith('.c'))
  return run('clang', [
    '-std=c11',
    '-D_GNU_SOURCE',
    '-DNAPI_VERSION=8',
    '-O1',
    '-g',
    '-pthread',
    '-no-pie',
    '-fsanitize=fuzzer,address,undefined',
    '-fno-sanitize-recover=undefined',
    // The functions of Node, which nothing here calls.
    '-Wl,--unresolved-symbols=ignore-all',
    ...wrapped.map((name) => `-Wl,--wrap=${name}`),
    `-I${headers}`,
    `-I${native}`,
    ...sources.map((name) => join(native, name)),
    join(folder, 'native.c'),
    '-lm',
    '-o',
    output,
  ])
}

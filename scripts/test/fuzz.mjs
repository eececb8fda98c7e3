// npm run fuzz [-- --seconds N] [-- --keep] [-- TARGET…]: looks for bytes that break a decoder, guided by coverage. libFuzzer, which comes
// with clang, drives the decoders in JavaScript (test/fuzz/decoders.ts) and the C that receives packets (test/fuzz/native.c, under
// AddressSanitizer and UndefinedBehaviorSanitizer). Known bytes are in test/fuzz/corpus; --keep adds what was found to be new.
// What breaks a decoder is kept in .cache/fuzz; TARGET and such a file run it once.

import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { root, run, step } from '../command.mjs'
import { install } from '../prepare.mjs'
import { whyMissing } from '../system-tools.mjs'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: 'string', default: '60' }, keep: { type: 'boolean', default: false } },
})

const files = positionals.filter((word) => existsSync(word))
const names = positionals.filter((word) => !files.includes(word))

await install('fuzz')
const missing = whyMissing('clang')
if (missing !== undefined) {
  process.stderr.write(`cannot fuzz: ${missing}\n`)
  process.exit(1)
}
const { buildBridge, buildNative } = await import('../../test/fuzz/build.mjs')
const { instrumentDecoders } = await import('../../test/fuzz/instrument.mjs')

/** @typedef {{ name: string, command: readonly string[], sample: Uint8Array }} Target */

const folder = join(root, 'test/fuzz')
const findings = join(root, '.cache/fuzz')
const built = mkdtempSync(join(tmpdir(), 'scout-fuzz-'))
mkdirSync(findings, { recursive: true })
try {
  process.exitCode = (await fuzzAll()) ? 0 : 1
} finally {
  rmSync(built, { recursive: true })
}

async function fuzzAll() {
  const bridge = join(built, 'bridge.node')
  const native = join(built, 'native')
  if (!(await step('building the fuzzers', () => buildBoth(bridge, native)))) return false
  const { decoders } = await instrumentDecoders()
  /** @type {readonly Target[]} */
  const targets = [
    ...Object.entries(decoders).map(([name, { sample }]) => ({
      name,
      command: [process.execPath, join(folder, 'decoder-main.mjs'), bridge, name],
      sample,
    })),
    { name: 'native', command: [native], sample: new Uint8Array(64) },
  ]
  const chosen = targets.filter(({ name }) => names.length === 0 || names.includes(name))
  if (chosen.length === 0) {
    process.stderr.write(`there is no such target: choose from ${targets.map(({ name }) => name).join(', ')}\n`)
    return false
  }
  let failed = 0
  for (const target of chosen) if (!(await fuzz(target))) failed++
  console.log(`fuzz: ${chosen.length - failed} passed, ${failed} failed`)
  return failed === 0
}

/**
 * @param {string} bridge
 * @param {string} native
 */
async function buildBoth(bridge, native) {
  const one = await buildBridge(bridge)
  return one.isOk ? buildNative(native) : one
}

/** @param {Target} target */
async function fuzz({ name, command: [file = '', ...args], sample }) {
  const corpus = join(folder, 'corpus', name)
  const found = mkdtempSync(join(built, `${name}-`))
  mkdirSync(corpus, { recursive: true })
  writeFileSync(join(found, 'sample'), sample)
  // libFuzzer adds what is new to the first.
  const folders = values.keep ? [corpus, found] : [found, corpus]
  const search = [...folders, `-max_total_time=${values.seconds}`, '-max_len=2048', '-timeout=5']
  const isOk = await step(`fuzzing ${name}`, () =>
    run(file, [...args, ...(files.length > 0 ? files : search), `-artifact_prefix=${findings}/${name}-`]),
  )
  if (!isOk) process.stderr.write(`the bytes are in ${findings}: npm run fuzz -- ${name} FILE runs them again\n`)
  return isOk
}

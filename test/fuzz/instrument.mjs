// Loads the decoders with a counter at each statement and branch, which is both the coverage that guides the fuzzer and the measure of
// work that no busy machine can falsify.

import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { createInstrumenter } from 'istanbul-lib-instrument'

/** @typedef {import('./decoders.ts').Decoder} Decoder */

/**
 * @typedef {object} Instrumented
 * @property {Readonly<Record<string, Decoder>>} decoders
 * @property {number} counters number of counters
 * @property {() => void} reset sets all counters to zero
 * @property {() => number} steps statements executed since then
 * @property {(bytes: Uint8Array) => void} copyTo writes each counter into a byte, at most 255
 */

const variable = '__scout_fuzz__'
const file = 'decoders.js'

/** @returns {Promise<Instrumented>} */
export async function instrumentDecoders() {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('decoders.ts', import.meta.url))],
    bundle: true,
    write: false,
    format: 'cjs',
    platform: 'node',
    target: 'node20',
  })
  const instrumenter = createInstrumenter({ coverageVariable: variable, esModules: false, compact: false })
  const code = instrumenter.instrumentSync(outputFiles[0]?.text ?? '', file)
  /** @type {{ exports: { decoders?: Readonly<Record<string, Decoder>> } }} */
  const module = { exports: {} }
  // oxlint-disable-next-line typescript/no-implied-eval, no-new-func
  new Function('module', 'exports', 'require', code)(module, module.exports, createRequire(import.meta.url))
  const { s: statements, b: branches } = Reflect.get(globalThis, variable)[file]
  const { decoders = {} } = module.exports
  /** @type {readonly (readonly [counts: number[], length: number])[]} */
  const counts = [statements, ...Object.values(branches)].map((each) => [each, Object.keys(each).length])
  return {
    decoders,
    counters: counts.reduce((sum, [, length]) => sum + length, 0),
    reset() {
      for (const [each, length] of counts) for (let index = 0; index < length; index++) each[index] = 0
    },
    steps() {
      let sum = 0
      for (const steps of Object.values(statements)) sum += steps
      return sum
    },
    copyTo(bytes) {
      let at = 0
      for (const [each, length] of counts)
        for (let index = 0; index < length; index++) bytes[at++] = Math.min(255, each[index] ?? 0)
    },
  }
}

/**
 * Most statements that a decoder may execute for bytes of this length. A byte of a name takes the most: it is stepped over, read and
 * escaped.
 *
 * @param {number} bytes
 */
export function mostSteps(bytes) {
  return 400 + 40 * bytes
}

/**
 * Most characters of what a decoder may return for bytes of this length. Pointers repeat a name of up to 255 bytes, each of which may
 * need four characters, in a record of 14.
 *
 * @param {number} bytes
 */
export function mostText(bytes) {
  return 400 + 160 * bytes
}

// Fuzzes one decoder until its time is up: decoder-main.mjs BRIDGE NAME ARGUMENTS-OF-LIBFUZZER…

import { createRequire } from 'node:module'
import { instrumentDecoders, mostSteps, mostText } from './instrument.mjs'

const [bridge = '', name = '', ...args] = process.argv.slice(2)
const { decoders, counters, reset, steps, copyTo } = await instrumentDecoders()
const { decode } = decoders[name] ?? fail(`there is no decoder ${name}`)
const bytes = Buffer.alloc(counters)

createRequire(import.meta.url)(bridge).fuzz([name, ...args], bytes, (/** @type {Buffer} */ input) => {
  reset()
  const value = decode(input)
  copyTo(bytes)
  if (steps() > mostSteps(input.length)) fail(`${steps()} statements for ${input.length} bytes`)
  const text = JSON.stringify(value) ?? ''
  if (text.length > mostText(input.length)) fail(`${text.length} characters of ${input.length} bytes`)
})

/**
 * @param {string} what
 * @returns {never}
 */
function fail(what) {
  throw new Error(what)
}

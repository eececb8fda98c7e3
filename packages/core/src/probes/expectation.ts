import { createContext, Script } from 'node:vm'
import { z } from 'zod'
import { FailureError } from '../model/failure.ts'

/*
 * What a probe sends to a service that is not Scout's, and the answer it expects. Both are one line of text:
 *
 *   PING\r\n              text, in which \r, \n, \t, \0, \\ and \xHH stand for a byte each
 *   hex:0d 0a ff          bytes
 *   /^220 .* ESMTP/i      a regular expression of JavaScript, as an expectation only; it reads the answer as UTF-8
 */

const textHelp = String.raw`text with \r, \n, \t, \0, \\ and \xHH, or hex: and bytes (hex:0d0a)`

/** Option of a probe: the bytes to send. Empty for none. */
export const sendOption = z
  .string()
  .refine((written) => bytesOf(written) !== undefined, `write ${textHelp}`)
  .default('')

/** Option of a probe: what the answer must contain. Empty if any answer will do. */
export const expectOption = z
  .string()
  .refine(isExpectation, `write ${textHelp}, or a regular expression with flags i, m, s or u (/^220 /i)`)
  .default('')

/** Returns the bytes that a valid `send` option stands for. */
export function bytesToSend(written: string): Buffer {
  return bytesOf(written) ?? Buffer.alloc(0)
}

/** Most bytes of an answer that are searched. An expression may take time in proportion to their square. */
export const mostExpectedBytes = 4096

/**
 * Returns whether the answer so far has what is expected.
 * @throws {FailureError} bad-reply if the search takes too long
 */
export type Expectation = (answer: Uint8Array) => boolean

/** Returns the search of one attempt for what a valid `expect` option stands for. */
export function expectationOf(written: string): Expectation {
  const { source, flags } = slashed.exec(written)?.groups ?? {}
  if (source !== undefined) return searchFor(new RegExp(source, flags), written)
  const bytes = bytesToSend(written)
  return (answer) => Buffer.from(answer.buffer, answer.byteOffset, answer.byteLength).includes(bytes)
}

/** Shows the start of an answer in printable characters, for a message. */
export function shown(answer: Uint8Array): string {
  const start = Buffer.from(answer.subarray(0, 40)).toString('latin1')
  return `"${start.replaceAll(/[^ -~]|[\\"]/g, escaped)}"${answer.length > 40 ? '…' : ''}`
}

function escaped(character: string): string {
  if (character === '"') return '\\"'
  const [letter] = Object.entries(escapes).find(([, text]) => text === character) ?? []
  return letter === undefined ? `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}` : `\\${letter}`
}

const escapes = { r: '\r', n: '\n', t: '\t', '0': '\0', '\\': '\\' } as const

function bytesOf(written: string): Buffer | undefined {
  if (written.startsWith('hex:')) {
    const digits = written.slice('hex:'.length).replaceAll(/[\s:]/g, '')
    return /^(?:[\da-f]{2})+$/i.test(digits) ? Buffer.from(digits, 'hex') : undefined
  }
  if (!/^(?:[^\\]|\\[rnt0\\]|\\x[\da-fA-F]{2})*$/.test(written)) return undefined
  const parts = written.split(/(\\x[\da-fA-F]{2}|\\.)/).map((part) => {
    if (part.startsWith('\\x')) return Buffer.from(part.slice(2), 'hex')
    const [, escape] = Object.entries(escapes).find(([letter]) => part === `\\${letter}`) ?? []
    return Buffer.from(escape ?? part)
  })
  return Buffer.concat(parts)
}

const slashed = /^\/(?<source>.+)\/(?<flags>[a-z]*)$/s

function isExpectation(written: string): boolean {
  const { source, flags = '' } = slashed.exec(written)?.groups ?? {}
  if (source === undefined) return bytesOf(written) !== undefined
  try {
    // Other flags would make one search depend on the one before.
    return /^[imsu]*$/.test(flags) && new RegExp(source, flags) instanceof RegExp
  } catch {
    return false
  }
}

/** Milliseconds that one attempt may search. The other side chooses the answer, and some expressions take years on some answers. */
const searchMs = 100

let search: Script | undefined

function searchFor(expression: RegExp, written: string): Expectation {
  const context = createContext({ expression, text: '' })
  let leftMs = searchMs
  return (answer) => {
    const startMs = performance.now()
    try {
      context['text'] = Buffer.from(answer).toString('utf8')
      search ??= new Script('expression.test(text)')
      return search.runInContext(context, { timeout: Math.ceil(leftMs) }) === true
    } catch (error) {
      throw new FailureError(
        'bad-reply',
        `an answer takes too long to search for ${written}: use a simpler expression`,
        {
          cause: error,
        },
      )
    } finally {
      leftMs = Math.max(1, leftMs - (performance.now() - startMs))
    }
  }
}

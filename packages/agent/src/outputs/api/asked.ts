import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { z } from 'zod'

/** Asks the agent of a node for a document. Resolves to undefined if it does not answer, and to an empty text if it has none. */
export type Ask = (node: string, question: URLSearchParams) => Promise<string | undefined>

/** A document of another agent. */
export interface Asked {
  /** Differs between answers. */
  readonly id: number
  readonly document: unknown
}

/** Why an answer has no document: `refused` if that agent has none, or none for this one. */
export type Unreadable = 'refused' | 'too-large' | 'malformed'

const answer = z.object({ gzip: z.base64() })

/**
 * Largest document, and most objects and lists in one, which take many times their text: those of links of a large mesh, or of a day's history,
 * have half as many. Documents are read one after another.
 */
const mostBytes = 8 << 20
const mostParts = 400_000

/** Number of questions that are under way or answered, and objects and lists in all answers that are kept. */
const mostKept = 32
const mostPartsKept = 1_000_000

/** How long an answer is shared, and how long an agent that did not answer is left alone. */
const keptMs = 1_000
const silentMs = 5_000

/**
 * Returns a function that asks other agents, each question once for all who ask within a moment. It resolves to undefined if they do not answer, and to
 * `busy` if too much is being asked.
 */
export function createAsked(
  ask: Ask,
): (node: string, question: URLSearchParams) => Promise<Asked | Unreadable | 'busy' | undefined> {
  const kept = new Map<string, Promise<Asked | Unreadable | undefined>>()
  const silent = new Set<string>()
  let id = 0
  let partsKept = 0
  let reading: Promise<unknown> = Promise.resolve()

  const answerOf = async (node: string, question: URLSearchParams): Promise<Asked | Unreadable | undefined> => {
    const text = await ask(node, question)
    if (text === undefined) {
      silent.add(node)
      setTimeout(() => silent.delete(node), silentMs).unref()
      return undefined
    }
    if (text === '') return 'refused'
    const turn = reading.then(() => documentIn(text))
    reading = turn
    const read = await turn
    if (typeof read === 'string') return read
    partsKept += read.parts
    setTimeout(() => (partsKept -= read.parts), keptMs).unref()
    return { id: ++id, document: read.document }
  }

  return async (node, question) => {
    const name = JSON.stringify([node, question.toString()])
    const known = kept.get(name)
    if (known !== undefined) return known
    if (silent.has(node)) return undefined
    if (kept.size >= mostKept || partsKept > mostPartsKept) return 'busy'
    const asking = answerOf(node, question)
    kept.set(name, asking)
    void asking.then(() => setTimeout(() => kept.delete(name), keptMs).unref())
    return asking
  }
}

interface Read {
  readonly document: unknown
  readonly parts: number
}

/** Returns what an answer contains. */
async function documentIn(text: string): Promise<Read | Unreadable> {
  try {
    const packed = Buffer.from(answer.parse(JSON.parse(text)).gzip, 'base64')
    const plain = await promisify(gunzip)(packed, { maxOutputLength: mostBytes })
    const parts = partsOf(plain)
    return parts > mostParts ? 'too-large' : { document: JSON.parse(plain.toString()), parts }
  } catch (error) {
    const isTooLarge = error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE'
    return isTooLarge ? 'too-large' : 'malformed'
  }
}

/** Returns how many objects and lists there are at most. */
function partsOf(json: Buffer): number {
  let parts = 0
  for (const byte of json) if (byte === 0x5b || byte === 0x7b) parts++ // [ and {
  return parts
}

import { request } from 'node:http'
import type { RouteRequest, Self } from '@scout/core'
import { type Caller, callerOf, queryOf } from './greeting.ts'
import { directUrl } from './reach.ts'
import type { KnownPeer } from './roster.ts'
import { isSigned, signatureOf } from './signature.ts'

/*
 * Documents that agents ask each other for, on the port that is probed: that of the console may be closed to them, or need a token. Only
 * peers are answered, and only from what the asked agent knows itself, so that no question goes further.
 */

/** Responder path for questions. */
export const askPath = '/document'

/** How long an answer may take, and its bytes as they arrive: compressed, in base64. */
const timeoutMs = 3_000
const mostBytes = 4 << 20

/** Questions under way in each direction. */
const mostAtOnce = 8

/** An answer: a compressed document in base64, so that the thread that sends it handles a text and no JSON. */
export interface AskAnswer {
  readonly gzip: string
}

export interface Asking {
  /** Asks the agent of a node. Resolves to its answer as text, empty if it has none; to undefined if it does not answer. */
  ask(node: string, question: URLSearchParams): Promise<string | undefined>
  /** Answers a question, whose sender may be anybody; undefined means 404. */
  answer(request: RouteRequest): Promise<AskAnswer | undefined>
}

interface AskingOptions {
  readonly self: Self & Caller
  /** Secret shared by all agents; empty if there is none. */
  readonly key: string
  readonly peers: () => Iterable<KnownPeer>
  /** Returns a document of this agent, compressed; undefined if there is no such one. */
  readonly answer: (question: URLSearchParams) => Promise<Buffer | undefined>
}

export function createAsking({ self, key, peers, answer }: AskingOptions): Asking {
  const underWay = { asked: 0, answered: 0 }
  return {
    async ask(node, question) {
      const peer = [...peers()].find((one) => one.node === node && one.state === 'ready')
      const base = peer === undefined ? undefined : directUrl(peer, self)
      if (base === undefined || underWay.asked >= mostAtOnce) return undefined
      const query = new URLSearchParams([...Object.entries(queryOf(self)), ...question])
      query.append('signature', signatureOf(signedText(query), key))
      underWay.asked++
      try {
        return await textAt(`${base}${askPath}?${query.toString()}`)
      } finally {
        underWay.asked--
      }
    },
    async answer(asked) {
      const query = new URL(asked.url, 'http://scout').searchParams
      const signature = query.get('signature')
      query.delete('signature')
      const isKnown = callerOf(asked, peers()) !== undefined && isSigned({ text: signedText(query), signature }, key)
      if (!isKnown || underWay.answered >= mostAtOnce) return undefined
      underWay.answered++
      try {
        const document = await answer(query)
        return document === undefined ? undefined : { gzip: document.toString('base64') }
      } finally {
        underWay.answered--
      }
    },
  }
}

function signedText(query: URLSearchParams): string {
  return `ask\n${query.toString()}`
}

function textAt(url: string): Promise<string | undefined> {
  if (!URL.canParse(url)) return Promise.resolve(undefined)
  return new Promise((resolve) => {
    const none = () => resolve(undefined)
    const sending = request(url, { agent: false, signal: AbortSignal.timeout(timeoutMs) }, (response) => {
      const parts: Buffer[] = []
      let bytes = 0
      response.on('data', (part: Buffer) => {
        // A piece of one byte takes more memory than it brings.
        bytes += Math.max(part.length, 256)
        if (bytes > mostBytes) response.destroy()
        else parts.push(part)
      })
      response.on('error', none)
      response.on('close', none)
      response.on('end', () => resolve(response.statusCode === 200 ? Buffer.concat(parts).toString() : ''))
    })
    sending.on('error', none)
    sending.end()
  })
}

import { gzipSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { createAsked } from '../../src/outputs/api/asked.ts'

const answerOf = (document: string) => JSON.stringify({ gzip: gzipSync(document).toString('base64') })
const question = (at = 0) => new URLSearchParams({ at: String(at) })

it('a question is asked once for all who ask within a moment', async () => {
  let count = 0
  const asked = createAsked(async () => {
    count++
    return answerOf('{"a":1}')
  })
  const [one, other] = await Promise.all([asked('b', question()), asked('b', question())])
  expect([one, other, count]).toEqual([{ id: 1, document: { a: 1 } }, one, 1])
})

it.each([
  ['takes twenty times its text in memory', answerOf(`[${'[],'.repeat(400_000)}[]]`), 'too-large'],
  ['is far larger than any document', answerOf(JSON.stringify('x'.repeat(9 << 20))), 'too-large'],
  ['is no JSON', answerOf('{'), 'malformed'],
  ['is not compressed', '{"gzip":"AAAA"}', 'malformed'],
  ['is empty', '', 'refused'],
])('an answer that %s has no document', async (_, text, why) => {
  const asked = createAsked(async () => text)
  expect(await asked('b', question())).toBe(why)
})

it('what is beyond the limit is busy, which is not the silence of an agent', async () => {
  const asked = createAsked(() => new Promise<string>(() => {}))
  for (let at = 0; at < 32; at++) void asked('b', question(at))
  expect(await asked('b', question(32))).toBe('busy')
})

it('an agent that does not answer is left alone for a while, whatever it is asked; one that has no such document is not', async () => {
  const questions: string[] = []
  const asked = createAsked(async (node, about) => {
    questions.push(`${node} ${about.toString()}`)
    return node === 'silent' ? undefined : ''
  })
  for (const node of ['silent', 'empty']) for (const at of [1, 2]) await asked(node, question(at))
  expect(questions).toEqual(['silent at=1', 'empty at=1', 'empty at=2'])
})

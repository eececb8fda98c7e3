import type { ServerResponse } from 'node:http'
import { describe, expect, it } from 'vitest'
import { readJson } from '../../src/kubernetes/api.ts'
import { createEndless, type Misbehaviour, startApiDouble } from '../support/api-double.ts'

const resource = { group: 'discovery.k8s.io', version: 'v1', plural: 'endpointslices' }

async function read(misbehaviour: Misbehaviour, answerMs: number) {
  const api = await startApiDouble()
  api.next(misbehaviour)
  return readJson({
    access: { server: api.server, credentials: async () => ({}), renew() {} },
    resource,
    verb: 'list',
    query: {},
    signal: new AbortController().signal,
    answerMs,
    silenceMs: answerMs,
  })
}

function begin(response: ServerResponse, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' })
}

describe('an answer of an API server', () => {
  it('without end is given up after 64 MiB, and the error names the limit', async () => {
    const endless = createEndless()
    await expect(read(endless.answer, 10_000)).rejects.toMatchObject({
      name: 'ApiError',
      kind: 'unreliable',
      message: expect.stringContaining('sent more than 64 MiB in one answer, which is the limit'),
    })
    expect(endless.sentBytes()).toBeLessThan(80 << 20)
  })

  it.each([
    ['empty lines', '\r\n'],
    ['informational responses', 'HTTP/1.1 103 Early Hints\r\n\r\n'],
  ])('that never begins, behind endless %s, is given up long before the wait for its head', async (_, line) => {
    const piece = line.repeat(64 << 10)
    const endless: Misbehaviour = (_, { socket }) => {
      const more = () => {
        while (socket?.write(piece) === true);
      }
      socket?.on('drain', more)
      more()
    }
    await expect(read(endless, 20_000)).rejects.toMatchObject({
      kind: 'unreliable',
      message: expect.stringContaining('sent more than 1 MiB in the head of one answer, which is the limit'),
    })
  })

  it('that drips is given up after six times the wait for its head', async () => {
    const startMs = performance.now()
    const drip: Misbehaviour = (_, response) => {
      begin(response)
      const timer = setInterval(() => response.write(' '), 20)
      response.on('close', () => clearInterval(timer))
    }
    await expect(read(drip, 100)).rejects.toMatchObject({
      kind: 'unreachable',
      message: expect.stringContaining('did not send its whole answer within 0.6 s'),
    })
    expect(performance.now() - startMs).toBeLessThan(3_000)
  })

  it('that is a rejection without end is given up as late as its head', async () => {
    const endless: Misbehaviour = (_, response) => {
      begin(response, 503)
      const timer = setInterval(() => response.write(' '), 20)
      response.on('close', () => clearInterval(timer))
    }
    await expect(read(endless, 200)).rejects.toMatchObject({
      kind: 'unreachable',
      message: expect.stringContaining('did not answer within 0.2 s'),
    })
  })
})

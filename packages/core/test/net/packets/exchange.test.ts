import { describe, expect, test } from 'vitest'
import { Deadline } from '../../../src/time/deadline.ts'
import { open, peer } from './simulated-exchange.ts'

describe('closing', () => {
  test('cancels pending requests and closes the socket', async () => {
    const { exchange, ask, question, closed } = open()
    const answer = ask(question(1))
    exchange.close()
    await expect(answer).rejects.toMatchObject({ reason: 'cancelled' })
    expect(closed).toEqual([0])
  })

  test('closes the sockets that were opened, and opens none for a source port that was not used', () => {
    const { exchange, question, closed } = open({ sourcePorts: 3 })
    void exchange.volley([{ ...question(1), flow: 2 }], new Deadline(1_000))
    exchange.close()
    expect(closed).toEqual([0, 1])
  })

  test('forgets its requests: what arrives afterwards is foreign', async () => {
    const { exchange, ask, arrive, question, strays } = open()
    const answer = ask(question(1))
    arrive(1)
    await answer
    exchange.close()
    arrive(1)
    expect(strays).toEqual([{ kind: 'foreign', from: peer }])
  })
})

describe('a socket that cannot send many packets at once', () => {
  test('because of this host leaves them unsent', async () => {
    const sendManyError = Object.assign(new Error('configure'), { code: 'ENOBUFS' })
    const { exchange, question } = open({ sendManyError })
    expect(await exchange.volley([question(1), question(2)], new Deadline(1_000))).toEqual([
      { kind: 'unsent', code: 'ENOBUFS' },
      { kind: 'unsent', code: 'ENOBUFS' },
    ])
  })

  test('because of a bug leaves none of them pending', () => {
    const { exchange, question } = open({ sendManyError: new TypeError('a defect') })
    expect(() => exchange.volley([question(1), question(2)], new Deadline(1_000))).toThrow('a defect')
    expect([exchange.isFree(1), exchange.isFree(2)]).toEqual([true, true])
  })
})

test('an attempt that is already over sends nothing', async () => {
  const { ask, question, sent } = open()
  const deadline = new Deadline(1_000)
  deadline.cancel()
  await expect(ask(question(1), deadline)).rejects.toMatchObject({ reason: 'cancelled' })
  expect(sent).toEqual([])
})

test('a key in flight is not given to another request', async () => {
  const { exchange, ask, question, sent } = open()
  const first = ask(question(1))
  await expect(ask(question(1))).rejects.toMatchObject({ reason: 'local-error' })
  expect(sent.length).toBe(1)
  exchange.close()
  await expect(first).rejects.toMatchObject({ reason: 'cancelled' })
})

test('a key is free until a request has it, and not for a while after', async () => {
  const { exchange, ask, arrive, question } = open()
  expect(exchange.isFree(1)).toBe(true)
  const answer = ask(question(1))
  expect(exchange.isFree(1)).toBe(false)
  arrive(1)
  await answer
  expect(exchange.isFree(1)).toBe(false)
  expect(exchange.isFree(2)).toBe(true)
})

test('an answer that cannot be read fails its request, not the process', async () => {
  const { ask, arrive, question } = open()
  const read = () => {
    throw new TypeError('a defect')
  }
  const answer = ask({ ...question(1), read })
  arrive(1)
  await expect(answer).rejects.toThrow('a defect')
})

test('sequence numbers have 32 bits, are consecutive and start at random', () => {
  const beginnings = Array.from({ length: 8 }, () => {
    const { exchange } = open()
    const first = exchange.nextSequence()
    expect(exchange.nextSequence()).toBe((first + 1) >>> 0)
    expect(first).toBeLessThan(2 ** 32)
    return first
  })
  expect(new Set(beginnings).size).toBeGreaterThan(1)
})

import { expect, test } from 'vitest'
import { startOnOnePort } from '../../src/responders/one-port.ts'

const inUse = Object.assign(new Error('listen EADDRINUSE'), { code: 'EADDRINUSE' })

function services(portsTaken: readonly number[]) {
  const closed: number[] = []
  let next = 1_000
  return {
    closed,
    first: async (port: number) => {
      const got = port === 0 ? next++ : port
      return { port: got, close: () => void closed.push(got) }
    },
    second: async (port: number) => {
      if (portsTaken.includes(port)) throw inUse
      return { port, close: () => {} }
    },
  }
}

test('both services get the port that the host chooses for the first', async () => {
  const { first, second } = services([])
  expect((await startOnOnePort(0, first, second)).map(({ port }) => port)).toEqual([1_000, 1_000])
})

test('a chosen port that is in use for the second is released, and another is tried', async () => {
  const { first, second, closed } = services([1_000, 1_001])
  expect((await startOnOnePort(0, first, second)).map(({ port }) => port)).toEqual([1_002, 1_002])
  expect(closed).toEqual([1_000, 1_001])
})

test('a given port in use is an error, and leaves nothing open', async () => {
  const { first, second, closed } = services([8_081])
  await expect(startOnOnePort(8_081, first, second)).rejects.toThrow('EADDRINUSE')
  expect(closed).toEqual([8_081])
})

test('gives up if every port is in use', async () => {
  const { first, second, closed } = services(Array.from({ length: 100 }, (_, index) => 1_000 + index))
  await expect(startOnOnePort(0, first, second)).rejects.toThrow('EADDRINUSE')
  expect(closed).toHaveLength(20)
})

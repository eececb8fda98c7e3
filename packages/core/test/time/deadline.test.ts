import { describe, expect, test } from 'vitest'
import { Deadline } from '../../src/time/deadline.ts'

describe('a deadline', () => {
  test('tells each of its listeners, once', () => {
    const deadline = new Deadline(1_000)
    const told: string[] = []
    for (const name of ['first', 'second', 'third']) deadline.onOver(({ reason }) => told.push(`${name} ${reason}`))
    deadline.cancel()
    deadline.cancel()
    expect(told).toEqual(['first cancelled', 'second cancelled', 'third cancelled'])
  })

  test('does not tell a listener that was taken off', () => {
    const deadline = new Deadline(1_000)
    const told: string[] = []
    const [offFirst, , offThird] = ['first', 'second', 'third'].map((name) => deadline.onOver(() => told.push(name)))
    offFirst?.()
    offThird?.()
    offThird?.()
    deadline.onOver(() => told.push('fourth'))
    deadline.cancel()
    expect(told.toSorted()).toEqual(['fourth', 'second'])
  })

  test('tells a listener at once when it is over already', () => {
    const deadline = new Deadline(1_000)
    deadline.cancel()
    const told: string[] = []
    deadline.onOver(({ reason }) => told.push(reason))()
    expect(told).toEqual(['cancelled'])
  })
})

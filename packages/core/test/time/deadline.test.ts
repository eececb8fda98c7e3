import { describe, expect, test } from 'vitest'
import { Deadline } from '../../src/time/deadline.ts'

describe('a deadline', () => {
  test('calls each listener once', () => {
    const deadline = new Deadline(1_000)
    const told: string[] = []
    for (const name of ['first', 'second', 'third']) deadline.onOver(({ reason }) => told.push(`${name} ${reason}`))
    deadline.cancel()
    deadline.cancel()
    expect(told).toEqual(['first cancelled', 'second cancelled', 'third cancelled'])
  })

  test('does not call a removed listener', () => {
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

  test('calls a listener at once if it is already over', () => {
    const deadline = new Deadline(1_000)
    deadline.cancel()
    const told: string[] = []
    deadline.onOver(({ reason }) => told.push(reason))()
    expect(told).toEqual(['cancelled'])
  })
})

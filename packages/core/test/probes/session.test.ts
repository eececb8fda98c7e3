import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { OwnSession } from '../../src/probes/session.ts'

describe('a session', () => {
  test('opens a value once, for all attempts that use it at the same time or later', async () => {
    const session = new OwnSession()
    let opened = 0
    const open = async () => ({ number: ++opened, close() {} })
    const [first, second] = await Promise.all([session.hold('value', open), session.hold('value', open)])
    const third = await session.hold('value', open)
    expect([first, second, third].map(({ value }) => value.number)).toEqual([1, 1, 1])
    expect([first, second, third].map(({ isNew }) => isNew)).toEqual([true, false, false])
    expect(first.ageNs).toBe(0)
    expect(third.ageNs).toBeGreaterThan(0)
  })

  test('keeps values of different names separate', async () => {
    const session = new OwnSession()
    const a = await session.hold('a', () => ({ name: 'a', close() {} }))
    const b = await session.hold('b', () => ({ name: 'b', close() {} }))
    expect([a.value.name, b.value.name]).toEqual(['a', 'b'])
  })

  test('tries again after a value failed to open', async () => {
    const session = new OwnSession()
    const failing = session.hold('value', () => {
      throw new Error('not now')
    })
    await expect(failing).rejects.toThrow('not now')
    expect(await session.hold('value', () => ({ close() {} }))).toMatchObject({ isNew: true })
  })

  test('closes its values when it is closed, even those still opening, and accepts no more', async () => {
    const session = new OwnSession()
    const closed: string[] = []
    const value = (name: string) => ({ close: () => closed.push(name) })
    await session.hold('open', () => value('open'))
    const opening = session.hold('opening', async () => {
      await nextTurn()
      return value('opening')
    })
    await Promise.resolve()
    session.close()
    await opening
    expect(closed).toEqual(['open', 'opening'])
    await expect(session.hold('late', () => value('late'))).rejects.toMatchObject({ reason: 'cancelled' })
  })
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createStampSession } from '../../../src/net/packets/stamp-session.ts'
import { timestampOf } from '../../../src/wire/stamp-time.ts'

/** A reflector that keeps count, over a path that loses what it is told to. */
function counting() {
  const session = createStampSession()
  let reflected = 0
  return {
    restart: () => (reflected = 0),
    send(fate: 'answered' | 'lostForth' | 'lostBack') {
      const sequence = session.nextSequence()
      if (fate === 'lostForth') return undefined
      const number = reflected++
      return fate === 'lostBack' ? undefined : session.answered(sequence, number).lost
    },
  }
}

const fates = fc.array(fc.constantFrom('answered', 'lostForth', 'lostBack'), { maxLength: 60 })

test('says of each direction how many packets it lost between two answers', () => {
  fc.assert(
    fc.property(fates, (sent) => {
      const path = counting()
      path.send('answered')
      let [forth, back] = [0, 0]
      for (const fate of [...sent, 'answered' as const]) {
        const lost = path.send(fate)
        forth += lost?.forth ?? 0
        back += lost?.back ?? 0
      }
      expect({ forth, back }).toEqual({
        forth: sent.filter((fate) => fate === 'lostForth').length,
        back: sent.filter((fate) => fate === 'lostBack').length,
      })
    }),
  )
})

test('knows nothing before the second answer', () => {
  const path = counting()
  expect(path.send('lostForth')).toBeUndefined()
  expect(path.send('answered')).toBeUndefined()
  expect(path.send('answered')).toEqual({ forth: 0, back: 0 })
})

test('takes back the loss of an answer that was only overtaken', () => {
  const session = createStampSession()
  session.answered(1, 0)
  expect(session.answered(3, 2).lost).toEqual({ forth: 0, back: 1 })
  expect(session.answered(2, 1).lost).toEqual({ forth: 0, back: -1 })
  expect(session.answered(4, 3).lost).toEqual({ forth: 0, back: 0 })
  // One that nobody has reported as lost.
  expect(session.answered(0, 0).lost).toBeUndefined()
})

test('counts the same if several answers in a row are reported as one', () => {
  const session = createStampSession()
  session.answered(1, 0)
  expect(session.answered(21, 20, 20).lost).toEqual({ forth: 0, back: 0 })
  // Of nine packets, two did not arrive, and one answer did not return.
  expect(session.answered(30, 27, 6).lost).toEqual({ forth: 2, back: 1 })
  // More answers than it gave are those of several reflectors.
  expect(session.answered(40, 30, 10).lost).toBeUndefined()
})

describe('counts nothing', () => {
  test('when the reflector has begun again, and goes on from there', () => {
    const path = counting()
    for (let i = 0; i < 5; i++) path.send('answered')
    path.send('lostForth')
    path.restart()
    for (let i = 0; i < 9; i++) expect(path.send('answered')).toBeUndefined()
    path.send('lostBack')
    expect(path.send('answered')).toEqual({ forth: 0, back: 1 })
  })

  test('if the reflector copies our numbers, which says nothing about the direction', () => {
    const session = createStampSession()
    const answered = [1, 2, 5, 6].map((sequence) => session.answered(sequence, sequence).lost)
    expect(answered).toEqual([undefined, { forth: 0, back: 0 }, undefined, { forth: 0, back: 0 }])
  })

  test('if the reflector received more than was sent', () => {
    const session = createStampSession()
    session.answered(1, 0)
    expect(session.answered(2, 5).lost).toBeUndefined()
    expect(session.answered(4, 7).lost).toBeUndefined()
  })

  test('over several reflectors behind one address, where one of many packets is lost', () => {
    const session = createStampSession()
    const reflected = [0, 0, 0]
    const losses = new Set<number>()
    for (let round = 0; round < 10_000; round++) {
      const sequence = session.nextSequence()
      const reflector = Math.floor(Math.random() * 3)
      const number = reflected[reflector] ?? 0
      reflected[reflector] = number + 1
      const lost = round % 50 === 49 ? undefined : session.answered(sequence, number).lost
      if (round > 100 && lost !== undefined) losses.add(lost.forth + lost.back)
    }
    expect([...losses].filter((count) => count > 0)).toEqual([])
  })
})

test('a packet that this host did not send is not lost', () => {
  const session = createStampSession()
  session.answered(session.nextSequence(), 0)
  session.unsent(session.nextSequence())
  expect(session.answered(session.nextSequence(), 1).lost).toEqual({ forth: 0, back: 0 })
})

test('goes on across the wrap of both numbers', () => {
  const session = createStampSession()
  const last = 2 ** 32 - 1
  session.answered(last, last - 1)
  expect(session.answered(2, 0).lost).toEqual({ forth: 1, back: 1 })
})

test('begins each session with another identifier, which is never zero', () => {
  const ssids = Array.from({ length: 1_000 }, () => createStampSession().ssid)
  expect(Math.min(...ssids)).toBeGreaterThan(0)
  expect(new Set(ssids).size).toBeGreaterThan(900)
})

test('tells how long a packet was at the reflector only by timestamps of one format, and of the previous answer', () => {
  const session = createStampSession()
  const answer = (sequence: number, format: 'ntp' | 'ptp') => {
    const received = timestampOf(1_698_685_789_500_000_000n, format)
    const asked = { sequence, sent: received, estimate: { format, isSynchronized: true, errorNs: 1 } }
    return { ...asked, ssid: 1, received, sender: asked, senderTtl: 64 }
  }
  const left = (sequence: number, format: 'ntp' | 'ptp') => ({
    sequence,
    sent: timestampOf(1_698_685_789_500_000_250n, format),
    sentBy: 'software' as const,
  })
  expect(session.residence(answer(0, 'ntp'), 1e6, null)).toBeUndefined()
  expect(session.residence(answer(1, 'ntp'), 1e6, left(0, 'ntp'))).toBe(250)
  expect(session.residence(answer(2, 'ptp'), 1e6, left(1, 'ptp'))).toBeUndefined()
  expect(session.residence(answer(3, 'ptp'), 1e6, left(2, 'ptp'))).toBe(250)
  expect(session.residence(answer(5, 'ptp'), 200, left(4, 'ptp'))).toBeUndefined()
  expect(session.residence(answer(6, 'ptp'), 200, left(5, 'ptp'))).toBeUndefined()
})

describe('packets that arrived twice', () => {
  test('were requests if the reflector numbered both answers, and answers if not', () => {
    const session = createStampSession()
    session.answered(1, 0)
    session.copied([0, 1])
    expect(session.answered(2, 2)).toEqual({ lost: { forth: 0, back: 0 }, duplicated: { forth: 1, back: 0 } })
    session.copied([2, 2])
    expect(session.answered(3, 3)).toEqual({ lost: { forth: 0, back: 0 }, duplicated: { forth: 0, back: 1 } })
    expect(session.answered(4, 4)).toEqual({ lost: { forth: 0, back: 0 } })
  })

  test('hide no loss, in whichever order their answers come', () => {
    const session = createStampSession()
    session.answered(1, 11)
    session.copied([11, 10])
    expect(session.answered(3, 13)).toMatchObject({ lost: { forth: 0, back: 1 }, duplicated: { forth: 1 } })
    session.copied([13, 14])
    expect(session.answered(6, 15)).toMatchObject({ lost: { forth: 2, back: 0 }, duplicated: { forth: 1 } })
  })

  test('cast no doubt on what is counted later', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 60 }), (copied) => {
        const session = createStampSession()
        let reflected = 0
        session.answered(session.nextSequence(), reflected++)
        for (const isCopied of copied) {
          const number = reflected++
          expect(session.answered(session.nextSequence(), number).lost).toEqual({ forth: 0, back: 0 })
          if (isCopied) session.copied([number, reflected++])
        }
      }),
    )
  })
})

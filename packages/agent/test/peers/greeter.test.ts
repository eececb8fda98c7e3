import { describe, expect, it, onTestFinished } from 'vitest'
import { eventually } from '../../../../test/support/eventually.ts'
import { createGreeter } from '../../src/peers/greeter.ts'
import type { GreetingAnswer } from '../../src/peers/greeting.ts'
import type { KnownPeer } from '../../src/peers/roster.ts'
import { greeting } from '../support/greetings.ts'
import { peer } from '../support/peers.ts'

const known = (name: string, more: Partial<KnownPeer> = {}): KnownPeer => ({ ...peer(name), stateSinceMs: 0, ...more })

function startGreeter(
  answers: (asked: number) => Promise<GreetingAnswer> = async () => greeting('a'),
  retry = { firstMs: 1, mostMs: 20 },
) {
  const asked: string[] = []
  const greeted: string[] = []
  const defects: unknown[] = []
  const greeter = createGreeter({
    ask(peer) {
      asked.push(peer.name)
      return answers(asked.length)
    },
    onMet: ({ name }, greeting) => greeted.push(`${name} ${greeting?.version ?? 'without a greeting'}`),
    onDefect: (error) => defects.push(error),
    retry,
  })
  onTestFinished(() => greeter.stop())
  return { asked, greeted, defects, greeter }
}

describe('the greeter', () => {
  it('greets a ready peer once, however often the roster changes', async () => {
    const { greeter, asked, greeted } = startGreeter()
    greeter.setPeers([known('a')])
    await eventually(() => greeted.length === 1, 'a greeting')
    greeter.setPeers([known('a'), known('b')])
    await eventually(() => greeted.length === 2, 'another greeting')
    expect(asked).toEqual(['a', 'b'])
    expect(greeter.counters).toEqual({ answered: 2, malformed: 0, silent: 0, unreached: 0 })
  })

  it.each(['starting', 'leaving'] as const)('does not greet a peer that is %s', async (state) => {
    const { greeter, asked, greeted } = startGreeter()
    greeter.setPeers([known('a', { state }), known('b')])
    await eventually(() => greeted.length === 1, 'a greeting')
    expect(asked).toEqual(['b'])
  })

  it('greets a peer again that was gone, or has another address', async () => {
    const { greeter, greeted } = startGreeter()
    greeter.setPeers([known('a')])
    await eventually(() => greeted.length === 1, 'a greeting')
    greeter.setPeers([known('a', { state: 'starting' })])
    greeter.setPeers([known('a')])
    await eventually(() => greeted.length === 2, 'a greeting after it was gone')
    greeter.setPeers([known('a', { addresses: ['10.0.0.2'] })])
    await eventually(() => greeted.length === 3, 'a greeting from its new address')
    expect(greeter.counters.answered).toBe(3)
  })

  it('retries until it gets an answer, and counts failed requests', async () => {
    const answers: readonly GreetingAnswer[] = ['unreached', 'silent', 'malformed', 'malformed', greeting('a')]
    const { greeter, greeted } = startGreeter(async (asked) => answers[asked - 1] ?? 'silent')
    greeter.setPeers([known('a')])
    await eventually(() => greeted.includes('a 1.0.0'), 'a greeting')
    expect(greeter.counters).toEqual({ answered: 1, malformed: 2, silent: 1, unreached: 1 })
  })

  it('tells of each peer that accepts a connection, though it does not greet, and not of one that accepts none', async () => {
    const answers: readonly GreetingAnswer[] = ['unreached', 'silent', 'malformed', greeting('a')]
    const { greeter, asked, greeted } = startGreeter(async (asked) => answers[asked - 1] ?? 'silent')
    greeter.setPeers([known('a')])
    await eventually(() => asked.length === 4 && greeted.length === 3, 'a greeting')
    expect(greeted).toEqual(['a without a greeting', 'a without a greeting', 'a 1.0.0'])
  })

  it('retries when a request is rejected, and reports the defect', async () => {
    const { greeter, greeted, defects } = startGreeter(async (asked) => {
      if (asked === 1) throw new Error('a defect')
      return greeting('a')
    })
    greeter.setPeers([known('a')])
    await eventually(() => greeted.length === 1, 'a greeting')
    expect(defects).toEqual([new Error('a defect')])
  })

  it('greets a peer that is starting only because it was never reached', async () => {
    const { greeter, greeted } = startGreeter()
    greeter.setPeers([known('a', { state: 'starting', isAwaited: true })])
    await eventually(() => greeted.length === 1, 'a greeting')
  })

  it('greets a peer at once that has just sent a greeting, instead of at its next turn', async () => {
    const { greeter, asked, greeted } = startGreeter(async (asked) => (asked === 1 ? 'unreached' : greeting('a')), {
      firstMs: 3_600_000,
      mostMs: 3_600_000,
    })
    greeter.setPeers([known('a')])
    await eventually(() => greeter.counters.unreached === 1, 'a greeting that nobody accepts')
    greeter.hurry('uid-of-a')
    await eventually(() => greeted.length === 1, 'a greeting')
    expect(asked).toHaveLength(2)
    greeter.hurry('uid-of-a')
    greeter.hurry('uid-of-nobody')
    expect(asked).toHaveLength(2)
  })

  it('drops a peer that leaves while it is greeted', async () => {
    let answer: ((answer: GreetingAnswer) => void) | undefined
    const { greeter, asked, greeted } = startGreeter((asked) =>
      asked === 1 ? new Promise((resolve) => (answer = resolve)) : Promise.resolve(greeting('b')),
    )
    greeter.setPeers([known('a')])
    await eventually(() => asked.length === 1, 'a request')
    greeter.setPeers([known('b')])
    answer?.(greeting('a'))
    await eventually(() => greeted.length > 0, 'a greeting')
    expect(greeted).toEqual(['b 1.0.0'])
  })

  it('ignores an answer from an address that the peer no longer has', async () => {
    let answerOld: ((answer: GreetingAnswer) => void) | undefined
    const { greeter, asked, greeted } = startGreeter((asked) =>
      asked === 1
        ? new Promise((resolve) => (answerOld = resolve))
        : Promise.resolve(greeting('a', { version: 'of the new address' })),
    )
    greeter.setPeers([known('a')])
    await eventually(() => asked.length === 1, 'a request')
    greeter.setPeers([known('a', { addresses: ['10.0.0.2'] })])
    answerOld?.(greeting('a', { version: 'of the old address' }))
    await eventually(() => greeted.length > 0, 'a greeting')
    expect(greeted).toEqual(['a of the new address'])
    expect(greeter.counters.answered).toBe(1)
  })
})

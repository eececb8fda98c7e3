import { z } from 'zod'
import type { Endpoint } from '../model/endpoint.ts'
import type { Packets } from '../model/packets.ts'
import { type Answered, answerOf, type Fate, packetsOf } from '../net/packets/fate.ts'
import type { PacketAnswer } from '../net/packets/question.ts'
import type { Deadline } from '../time/deadline.ts'

/*
 * Packets that leave together. Only then does it show that a path lets them overtake each other: those of a stream are 100 ms apart or more. A reflector
 * numbers its answers, so that the order in which requests arrived is known, too. A packet is overtaken if a later one arrived before it
 * (RFC 4737 §3.3).
 */

/** More would be a burst that other traffic notices. */
const mostTogether = 32

export const volleyOption = z
  .int()
  .min(1)
  .max(mostTogether)
  .default(1)
  .describe(
    'packets to send together from one source port; the result says how many are overtaken on which way and, of eight or more large ones, how far a slow line spreads them; one answer is a success; dscp, timestamps and flows are not used then',
  )

/** Packets of a volley that were overtaken on each way; absent if the reflector does not number its answers one after the other. */
export interface Overtaken {
  readonly overtakenForth?: number
  readonly overtakenBack?: number
}

/** Counts what happened to a volley, whose fates are in the order of sending. */
export function overtakenIn(fates: readonly Fate<PacketAnswer>[]): {
  readonly packets: Packets
  readonly detail: Overtaken
} {
  const answers = fates.flatMap((fate) => {
    const numbers = fate.kind === 'answered' ? fate.message.reflected?.numbers : undefined
    return fate.kind !== 'answered' || numbers === undefined ? [] : [{ ...numbers, atNs: fate.atNs }]
  })
  // Copies are counted by checks of single packets, which tell their direction.
  const packets = { ...packetsOf(fates), duplicated: 0 }
  // A stateless reflector copies our numbers (RFC 8762 §4.3), which says nothing about the order.
  const isCopy = answers.every(({ asked, answered }) => asked === answered)
  if (answers.length < 2 || isCopy || !areOfOneCount(answers, fates.length)) return { packets, detail: {} }
  const byNumber = answers.toSorted((a, b) => (a.answered - b.answered) | 0)
  const byArrival = answers.toSorted((a, b) => a.atNs - b.atNs)
  const forth = overtaken(byNumber.map(({ asked }) => asked))
  const back = overtaken(byArrival.map(({ answered }) => answered))
  return {
    packets: { ...packets, arrived: packets.returned, reordered: forth + back, reorderedForth: forth },
    detail: { overtakenForth: forth, overtakenBack: back },
  }
}

/**
 * Returns whether a reflector may have counted these answers one after the other, even if it received each packet twice. It did not where
 * it counts other senders, too, or where several behind one address answer.
 */
function areOfOneCount(answers: readonly { readonly answered: number }[], sent: number): boolean {
  const [{ answered: first } = { answered: 0 }] = answers
  const apart = answers.map(({ answered }) => (answered - first) | 0)
  return Math.max(...apart) - Math.min(...apart) < 2 * sent
}

/** Returns how many of these numbers come after a greater one. */
function overtaken(order: readonly number[]): number {
  let [greatest = 0] = order
  let count = 0
  for (const one of order) {
    // Numbers of 32 bits begin again.
    if (((one - greatest) | 0) < 0) count++
    else greatest = one
  }
  return count
}

/**
 * Returns the answers of a volley, the quickest first.
 * @throws {FailureError} if there is none
 */
export function answersOfVolley(
  fates: readonly Fate<PacketAnswer>[],
  to: Endpoint,
  deadline: Pick<Deadline, 'reason' | 'timedOut'>,
): readonly Answered<PacketAnswer>[] {
  const answers = fates.filter((fate) => fate.kind === 'answered')
  return answers.length === 0 ? [answerOf(fates[0], to, deadline)] : answers.toSorted((a, b) => a.tookNs - b.tookNs)
}

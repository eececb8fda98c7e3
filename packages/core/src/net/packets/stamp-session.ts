import { randomInt } from 'node:crypto'
import type { StampAnswer } from '../../wire/stamp.ts'
import type { FollowUp } from '../../wire/stamp-question.ts'
import { nsBetween } from '../../wire/stamp-time.ts'

/** Numbers of packets, on their way to the reflector and back. */
export interface ByDirection {
  readonly forth: number
  /** Of losses -1 if this answer was overtaken by a later one, which reported it as lost. */
  readonly back: number
}

/** What happened to packets of a session since the answer before, up to this one. */
export interface SeenByDirection {
  /** Absent if it cannot be known. */
  readonly lost?: ByDirection
  /** Those that arrived twice; absent if none did. */
  readonly duplicated?: ByDirection
}

/** The packets of one series, as its Session-Sender counts them (RFC 8762 §4.2). */
export interface StampSession {
  /** Identifier, random: a restarted sender begins another session. */
  readonly ssid: number
  /** Returns the number of the next packet. */
  nextSequence(): number
  /** Takes back the number of a packet that this host did not send, unless there was a later one. */
  unsent(sequence: number): void
  /**
   * Takes the numbers of an answer: ours, and the reflector's. Returns what happened since the answer before. `answers` is how many there
   * were since then, with this one (default: 1).
   */
  answered(sequence: number, reflected: number, answers?: number): SeenByDirection
  /**
   * Takes the reflector's numbers of two answers to one packet. A reflector that received the packet twice counts on, so that they differ;
   * if they do not, the answer itself was duplicated.
   */
  copied(numbers: readonly [before: number, now: number]): void
  /** Forgets the answer before, because this host may have dropped some since then. */
  interrupted(): void
  /**
   * Takes an answer, how long it took, and when the reflector says that its previous answer left. Returns how long the previous packet was
   * at the reflector; undefined if that cannot be known.
   */
  residence(answer: StampAnswer, tookNs: number, previous: FollowUp | null): number | undefined
}

/**
 * Steps in which both numbers must agree again, after they did not, before losses are counted: first and at most. A reflector that began
 * again disagrees once. Several behind one address agree by chance now and then, so that every disagreement doubles the doubt.
 */
const [firstDoubt, mostDoubt] = [8, 64]

/** Begins a session. */
export function createStampSession(): StampSession {
  let last: { readonly sequence: number; readonly reflected: number } | undefined
  // A reflector that keeps count begins with 0. We begin with 1, so that both numbers are the same only where it copies ours.
  let sequence = 1
  let doubt = firstDoubt
  let doubtful = 0
  let duplicated = { forth: 0, back: 0 }
  /** Numbers that the reflector gave to packets it received twice, since the last answer. */
  let extra = 0
  /** Answers that were reported as lost and have not come. */
  let missing = 0
  const lostBetween = (asked: number, received: number, answers: number): ByDirection | undefined => {
    // The reflector forgot the session and began again, received a packet twice, or there are several reflectors behind one address.
    if (received < answers || received > asked) {
      doubtful = doubt
      doubt = Math.min(doubt * 2, mostDoubt)
    } else if (doubtful > 0 && asked === received && asked === answers) doubtful = Math.max(0, doubtful - answers)
    else if (doubtful === 0) {
      missing += received - answers
      return { forth: asked - received, back: received - answers }
    }
    return undefined
  }
  const takeBack = (): ByDirection => {
    missing--
    return { forth: 0, back: -1 }
  }
  const lostUpTo = (sent: number, reflected: number, answers: number): ByDirection | undefined => {
    const before = last
    if (before === undefined) {
      last = { sequence: sent, reflected }
      return undefined
    }
    const asked = (sent - before.sequence) | 0
    if (asked <= 0) return missing === 0 ? undefined : takeBack()
    const received = (reflected - before.reflected - extra) | 0
    last = { sequence: sent, reflected }
    extra = 0
    // A stateless reflector copies our number (RFC 8762 §4.3), which says nothing about the direction.
    if (reflected === sent && asked > answers) return undefined
    return lostBetween(asked, received, answers)
  }
  let answeredBefore: { readonly answer: StampAnswer; readonly tookNs: number } | undefined
  return {
    ssid: randomInt(1, 2 ** 16),
    nextSequence() {
      const next = sequence
      sequence = (sequence + 1) >>> 0
      return next
    },
    unsent(unused) {
      if ((unused + 1) >>> 0 === sequence) sequence = unused
    },
    answered(sent, reflected, answers = 1) {
      const lost = lostUpTo(sent, reflected, answers)
      const copies = duplicated
      if (copies.forth + copies.back === 0) return lost === undefined ? {} : { lost }
      duplicated = { forth: 0, back: 0 }
      return { ...(lost === undefined ? {} : { lost }), duplicated: copies }
    },
    copied([before, now]) {
      if (before === now) duplicated = { ...duplicated, back: duplicated.back + 1 }
      else duplicated = { ...duplicated, forth: duplicated.forth + 1 }
      if (last !== undefined && ((now - last.reflected) | 0) > 0) extra++
    },
    interrupted() {
      last = undefined
      extra = 0
      missing = 0
    },
    residence(answer, tookNs, previous) {
      const before = answeredBefore
      answeredBefore = { answer, tookNs }
      const { format } = answer.estimate
      if (before === undefined || previous?.sequence !== before.answer.sequence) return undefined
      if (before.answer.estimate.format !== format) return undefined
      const residenceNs = nsBetween(before.answer.received, previous.sent, format)
      // Where it is longer than its round trip, the clock was stepped or is wrong.
      return residenceNs < 0 || residenceNs >= before.tookNs ? undefined : residenceNs
    },
  }
}

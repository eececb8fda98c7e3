import { randomInt } from 'node:crypto'
import { unixNowNs } from '../../time/clock.ts'
import {
  decodeStampAnswer,
  encodeStampRequest,
  isGenuineStamp,
  type StampAnswer,
  type StampRequest,
  stampBytes,
} from '../../wire/stamp.ts'
import {
  bringsBackQuestion,
  encodeQuestion,
  type FilledIn,
  readFilledIn,
  type StampQuestion,
} from '../../wire/stamp-question.ts'
import { nsBetween, timestampOf } from '../../wire/stamp-time.ts'
import type { Answered, Doubt, Fate, Shot } from './fate.ts'
import type { PacketAnswer, Previous, Question, Reflected } from './question.ts'
import type { StampSession } from './stamp-session.ts'

/** A question of STAMP in flight, and what came in the place of its answer. */
interface OpenStamp {
  readonly question: Question
  doubt: Doubt | undefined
}

export interface StampShot extends Shot<PacketAnswer> {
  readonly key: string
  readonly asked: StampRequest
  readonly secret: string
  /** Completes its fate: the time at the reflector is no part of the round trip. */
  readonly settled: (fate: Fate<PacketAnswer>) => Fate<PacketAnswer>
}

/** Distance from UTC of a clock that nothing is known about: the bound of the kernel (NTP_PHASE_LIMIT in include/linux/timex.h). */
const unknownErrorNs = 16e9

/** Returns the packet of a question, and how its answer is read. native/formats.c has the same, without TLVs other than padding. */
export function stampShot(
  open: OpenStamp,
  {
    sequence,
    session,
    number,
    key: shotKey,
  }: {
    readonly sequence: number
    readonly session: StampSession
    readonly number: bigint
    readonly key: string
  },
): StampShot {
  const { to, payloadBytes, key = '', isLight = false, dscp } = open.question
  const question = questionOf(open.question)
  const send = dscp === undefined ? open.question.send : { ...open.question.send, trafficClass: dscp << 2 }
  const { seconds, fraction } = timestampOf(unixNowNs(), 'ntp')
  const asked: StampRequest = {
    sequence: session.nextSequence(),
    // Below 15 µs at random: where the reflector drops the number, this stands for it.
    sent: { seconds, fraction: ((fraction & 0xffff0000) | randomInt(0x10000)) >>> 0 },
    estimate: { format: 'ntp', isSynchronized: false, errorNs: unknownErrorNs },
    ssid: session.ssid,
  }
  let read: { readonly answer: StampAnswer; readonly filledIn: FilledIn } | undefined
  const doubt = (what: Doubt) => {
    open.doubt = what
    return undefined
  }
  return {
    key: shotKey,
    to,
    asked,
    secret: key,
    ...(send === undefined ? {} : { send }),
    bytes: encodeStampRequest(asked, encodeQuestion(number, payloadBytes, question), key),
    read(bytes) {
      // Cut off within its HMAC it is no sign of another key.
      if (!isGenuineStamp(bytes, key)) return doubt(bytes.length < stampBytes(key) ? 'altered' : 'otherKey')
      const answer = decodeStampAnswer(bytes, key)
      if (answer === undefined) return doubt('altered')
      const isSame = isAsked(answer, asked) && (isLight || answer.ssid === asked.ssid)
      if (!isSame && key !== '') return doubt('altered')
      const flaw = isSame && isLight ? undefined : flawOf(bytes, open.question, isSame)
      const message = { sequence, payloadBytes: bytes.length, isReset: false }
      if (flaw !== undefined) return { ...message, flaw }
      const filledIn = readFilledIn(bytes, question)
      read = { answer, filledIn }
      const { service, stamps } = filledIn
      return {
        ...message,
        reflected: {
          ...reflectedOf(answer, session),
          ...(service === undefined ? {} : { service }),
          ...(stamps === undefined ? {} : { stamps }),
        },
      }
    },
    settled(fate) {
      if (fate.kind !== 'answered' || read === undefined) return fate
      const previous = previousOf(read, fate.tookNs, session)
      return withoutResidence(fate, previous === undefined ? {} : { previous })
    },
    onCopy(bytes) {
      const answer = decodeStampAnswer(bytes, key)
      if (answer !== undefined && read !== undefined) session.copied([read.answer.sequence, answer.sequence])
    },
  }
}

/** Returns whether bytes are an answer to this packet, by what every reflector brings back. */
export function isAnswerTo({ asked, secret }: StampShot, bytes: Uint8Array): boolean {
  const answer = decodeStampAnswer(bytes, secret)
  return answer !== undefined && isAsked(answer, asked)
}

/** Takes the time at the reflector out of the round trip. Where it is longer, its clock was stepped or is wrong. */
function withoutResidence(fate: Answered<PacketAnswer>, previous: Pick<Reflected, 'previous'>): Fate<PacketAnswer> {
  const { residenceNs = 0, ...others } = fate.message.reflected ?? {}
  const isCredible = residenceNs >= 0 && residenceNs < fate.tookNs
  const reflected = { ...others, ...previous, ...(isCredible ? { residenceNs } : {}) }
  return { ...fate, tookNs: fate.tookNs - (isCredible ? residenceNs : 0), message: { ...fate.message, reflected } }
}

/** Returns what the reflector says of the previous packet; undefined if it was not asked, or does not know the question. */
function previousOf(
  { answer, filledIn: { previous } }: { readonly answer: StampAnswer; readonly filledIn: FilledIn },
  tookNs: number,
  session: StampSession,
): Previous | null | undefined {
  if (previous === undefined) return undefined
  const residenceNs = session.residence(answer, tookNs, previous)
  if (previous === null) return null
  return { sentBy: previous.sentBy, ...(residenceNs === undefined ? {} : { residenceNs }) }
}

function questionOf({ key = '', dscp, asksStamps }: Question): StampQuestion {
  return { key, dscp, asksStamps }
}

function isAsked({ sender }: StampAnswer, { sequence, sent }: StampRequest): boolean {
  return sender.sequence === sequence && sender.sent.seconds === sent.seconds && sender.sent.fraction === sent.fraction
}

/** Returns what is wrong with an answer, which must bring back the TLVs, and for `isSame` did so with what is before them. */
function flawOf(bytes: Uint8Array, question: Question, isSame: boolean): PacketAnswer['flaw'] {
  if (bytes.length !== question.payloadBytes) return 'length'
  return isSame && bringsBackQuestion(bytes, questionOf(question)) ? undefined : 'bytes'
}

/** The clock of this process may be far from UTC, so there are no one-way delays. */
function reflectedOf({ sequence, sender, sent, received, estimate, senderTtl }: StampAnswer, session: StampSession) {
  const reflected: Reflected = {
    ...session.answered(sender.sequence, sequence),
    numbers: { asked: sender.sequence, answered: sequence },
    at: { received, sent, format: estimate.format },
    residenceNs: nsBetween(received, sent, estimate.format),
    ...(senderTtl === 0 ? {} : { senderTtl }),
  }
  return reflected
}

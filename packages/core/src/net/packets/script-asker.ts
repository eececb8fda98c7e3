import { randomBytes } from 'node:crypto'
import type { Family } from '../../model/endpoint.ts'
import { FailureError } from '../../model/failure.ts'
import { readUint16, readUint32, writeUint32 } from '../../wire/bytes.ts'
import { echoKindOf, encodeEcho, echoHeaderBytes as icmpHeaderBytes, isIntact } from '../../wire/icmp.ts'
import { numberOfAnswer } from '../../wire/stamp-question.ts'
import type { Exchange } from './exchange.ts'
import type { Doubt, Fate, Shot } from './fate.ts'
import type { PacketAddress } from './packet-socket.ts'
import { providerOf, transports } from './providers.ts'
import type { Asker, PacketAnswer, Question, VolleyAsker } from './question.ts'
import { isAnswerTo, type StampShot, stampShot } from './script-stamp.ts'
import { createStampSession, type StampSession } from './stamp-session.ts'

/** Opens the exchange for questions of a format; known ones are returned again. */
export type ExchangeOf = (format: ScriptFormat, family: Family) => Exchange

/** Formats that can be asked without the native part. */
export type ScriptFormat = Exclude<Question['format'], 'syn'>

/** A question in flight. */
interface Open {
  readonly question: Question
  /** 16 bits of the header of an echo. */
  readonly sequence: number
  doubt: Doubt | undefined
  /** Of STAMP. */
  stamp?: StampShot
}

/** Asker whose exchanges are opened by its user, who passes on what they receive. */
export interface ScriptAsker extends Asker, VolleyAsker {
  /** Returns the key that an answer of each format carries; undefined for anything else. */
  readonly keyOf: Readonly<
    Record<ScriptFormat, (bytes: Uint8Array, family: Family, sender: number) => string | undefined>
  >
  /** Receives the source of a foreign packet, at once after `keyOf` has seen it. */
  readonly strange: (from: PacketAddress) => void
}

/** Asks from this thread, over sockets of Node and its packages: where there is no native packet engine. */
export function createScriptAsker(exchangeOf: ExchangeOf): ScriptAsker {
  const opened = new Set<Open>()
  /** The datagram that `keyOf` saw last has another format. */
  let isOfOtherFormat = false
  const exchangeFor = ({ format, to }: Question): Exchange => {
    if (format === 'syn')
      throw new FailureError('not-supported', providerOf(transports.syn).remark ?? 'no raw TCP sockets')
    return exchangeOf(format, to.family)
  }
  const askTogether: ScriptAsker['askTogether'] = async (
    question,
    { count, flow, deadline, session = createStampSession() },
  ) => {
    const exchange = exchangeFor(question)
    const asked = Array.from({ length: count }, () => {
      const sequence = exchange.nextSequence()
      const open: Open = { question, sequence: sequence & 0xffff, doubt: undefined }
      const shot = question.format === 'stamp' ? stampOf(open, sequence, session) : echoShot(open, sequence, exchange)
      return { open, shot: { ...shot, flow } }
    })
    for (const { open } of asked) opened.add(open)
    try {
      const fates = await exchange.volley(
        asked.map(({ shot }) => shot),
        deadline,
      )
      // The last one first, because only the last number can be taken back.
      for (const [index, { open }] of [...asked.entries()].toReversed())
        if (fates[index]?.kind === 'unsent' && open.stamp !== undefined) session.unsent(open.stamp.asked.sequence)
      return asked.map(({ open }, index) => {
        const seen = doubted(fates[index] ?? { kind: 'silent', mayBeOurs: false }, open)
        return open.stamp?.settled(seen) ?? seen
      })
    } finally {
      for (const { open } of asked) opened.delete(open)
    }
  }
  return {
    flows: (question) => exchangeFor(question).flows,
    askTogether,
    async ask(question, asking) {
      const [fate] = await askTogether(question, { ...asking, count: 1 })
      return fate ?? { kind: 'silent', mayBeOurs: false }
    },
    keyOf: {
      stamp(bytes) {
        const number = numberOfAnswer(bytes)
        const alike = [...opened].find(
          ({ question, stamp }) =>
            stamp !== undefined && (number === undefined || question.isLight === true) && isAnswerTo(stamp, bytes),
        )
        isOfOtherFormat = number === undefined && alike === undefined
        if (alike?.question.isLight === true) return alike.stamp?.key
        // An answer whose padding was cut off or replaced still has the timestamp of its question.
        if (alike !== undefined) alike.doubt ??= 'altered'
        return number === undefined ? undefined : keyOfNumber(number)
      },
      echo(message, family, sender) {
        if (echoKindOf(family, message) !== 'reply' || readUint16(message, 4) !== (sender & 0xffff)) return undefined
        const key = message.length < token.length ? undefined : keyOfNumber(numberIn(message))
        // A reply whose payload was cut off or replaced still has the header of its request.
        for (const open of opened)
          if (open.question.format === 'echo' && open.sequence === readUint16(message, 6)) open.doubt ??= 'altered'
        return key
      },
    },
    strange({ address, port }) {
      if (!isOfOtherFormat) return
      for (const open of opened) {
        const { format, to } = open.question
        if (format === 'stamp' && to.address === address && to.port === port) open.doubt ??= 'stranger'
      }
    },
    close() {}, // its exchanges belong to the sockets of the vantage
  }
}

function doubted(fate: Fate<PacketAnswer>, { doubt }: Open): Fate<PacketAnswer> {
  return fate.kind === 'silent' && doubt !== undefined ? { ...fate, doubt } : fate
}

function stampOf(open: Open, sequence: number, session: StampSession): StampShot {
  const number = randomNumber()
  open.stamp = stampShot(open, { sequence, session, number, key: keyOfNumber(number) })
  return open.stamp
}

/**
 * Layout of an echo. The first bytes of its payload are the number and the length of the question: the 16-bit sequence of the ICMP
 * header wraps within minutes at 500 probes a second, and anyone can guess it. native/formats.c has the same.
 */
const token = { number: 8, length: 16, end: 20 } as const

function echoShot(open: Open, sequence: number, { sender }: Exchange): Shot<PacketAnswer> {
  const { to, payloadBytes, send } = open.question
  const number = randomNumber()
  const payload = Buffer.alloc(payloadBytes)
  payload.writeBigUInt64BE(number, token.number - icmpHeaderBytes)
  writeUint32(payload, token.length - icmpHeaderBytes, payloadBytes)
  const echo = { identifier: sender & 0xffff, sequence: sequence & 0xffff, payload }
  return {
    key: keyOfNumber(number),
    to,
    ...(send === undefined ? {} : { send }),
    bytes: encodeEcho(to.family, { kind: 'request', ...echo }),
    read(bytes) {
      const received = bytes.length - icmpHeaderBytes
      const isAltered =
        !isIntact(to.family, bytes) || (bytes.length >= token.end && readUint32(bytes, token.length) !== payloadBytes)
      const flaw = flawOf(received !== payloadBytes, isAltered ? undefined : bytes.subarray(token.end))
      return { sequence, payloadBytes: received, isReset: false, ...flaw }
    },
  }
}

/** Returns what is wrong with an answer, whose padding must have come back as zeros; undefined stands for an altered one. */
function flawOf(isCut: boolean, padding: Uint8Array | undefined): Pick<PacketAnswer, 'flaw'> {
  if (isCut) return { flaw: 'length' }
  return padding?.every((byte) => byte === 0) === true ? {} : { flaw: 'bytes' }
}

/** Smallest payload of an echo. */
export const tokenBytes = token.end - icmpHeaderBytes

/** Returns a number that nobody can guess who has seen others. */
function randomNumber(): bigint {
  return randomBytes(8).readBigUInt64BE()
}

function numberIn(message: Uint8Array): bigint {
  return new DataView(message.buffer, message.byteOffset).getBigUint64(token.number)
}

function keyOfNumber(number: bigint): string {
  return number.toString(36)
}

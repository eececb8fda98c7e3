import type { Family } from '../../model/endpoint.ts'
import { FailureError } from '../../model/failure.ts'
import { readUint32, writeUint32 } from '../../wire/bytes.ts'
import { decodeEchoDatagram, encodeEchoDatagram, isGenuineEcho } from '../../wire/echo-datagram.ts'
import { echoHeaderBytes, echoKindOf, encodeEcho } from '../../wire/icmp.ts'
import type { Exchange } from './exchange.ts'
import type { Shot } from './fate.ts'
import { providerOf, transports } from './providers.ts'
import type { Asker, PacketAnswer, Question } from './question.ts'

/** Opens the exchange for questions of a format; known ones are returned again. */
export type ExchangeOf = (format: ScriptFormat, family: Family) => Exchange

/** Formats that can be asked without the native part. */
export type ScriptFormat = Exclude<Question['format'], 'syn'>

/** Asks from this thread, over sockets of Node and its packages: where there is no native packet engine. */
export function createScriptAsker(exchangeOf: ExchangeOf): Asker {
  const exchangeFor = ({ format, to }: Question): Exchange => {
    if (format === 'syn')
      throw new FailureError('not-supported', providerOf(transports.syn).remark ?? 'no raw TCP sockets')
    return exchangeOf(format, to.family)
  }
  return {
    flows: (question) => exchangeFor(question).flows,
    async ask(question, { flow, deadline }) {
      const exchange = exchangeFor(question)
      const [fate] = await exchange.volley([{ ...shotOf(question, exchange), flow }], deadline)
      return fate ?? { kind: 'silent', mayBeOurs: false }
    },
    close() {}, // its exchanges belong to the sockets of the vantage
  }
}

function shotOf(question: Question, exchange: Exchange): Shot<PacketAnswer> {
  const sequence = exchange.nextSequence()
  const { to, payloadBytes, key = '', send } = question
  const common = { key: sequence, to, ...(send === undefined ? {} : { send }) }
  if (question.format === 'datagram') {
    return {
      ...common,
      bytes: encodeEchoDatagram({ kind: 'request', sender: exchange.sender, sequence }, payloadBytes, key),
      read: (bytes) => ({
        sequence,
        payloadBytes: bytes.length,
        isReset: false,
        isGenuine: isGenuineEcho(bytes, key),
      }),
    }
  }
  const payload = new Uint8Array(payloadBytes)
  writeUint32(payload, token.sender, exchange.sender)
  writeUint32(payload, token.sequence, sequence)
  writeUint32(payload, token.length, payloadBytes)
  const echo = { identifier: exchange.sender & 0xffff, sequence: sequence & 0xffff, payload }
  return {
    ...common,
    bytes: encodeEcho(to.family, { kind: 'request', ...echo }),
    read: (bytes) => ({
      sequence,
      payloadBytes: bytes.length - echoHeaderBytes,
      isReset: false,
      isGenuine: true,
    }),
  }
}

/**
 * Layout of an echo's first payload bytes, which identify a question: the 16-bit sequence of the ICMP header wraps within minutes at 500
 * probes a second. A reply must return the whole payload (RFC 792). native/formats.c has the same.
 */
const token = { sender: 0, sequence: 4, length: 8 } as const

/** Smallest payload of an echo. */
export const tokenBytes = 12

/** Returns the key that an answer of each format carries; undefined for anything else. */
export const keyOfAnswer: Readonly<
  Record<ScriptFormat, (bytes: Uint8Array, family: Family, sender: number) => number | undefined>
> = {
  datagram(bytes, _, sender) {
    const echo = decodeEchoDatagram(bytes)
    return echo?.kind === 'reply' && echo.sender === sender ? echo.sequence : undefined
  },
  echo(message, family, sender) {
    if (message.length < echoHeaderBytes + tokenBytes) return undefined
    if (readUint32(message, echoHeaderBytes + token.sender) !== sender) return undefined
    if (readUint32(message, echoHeaderBytes + token.length) !== message.length - echoHeaderBytes) return undefined
    if (echoKindOf(family, message) !== 'reply') return undefined
    return readUint32(message, echoHeaderBytes + token.sequence)
  },
}

import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { FailureError } from '../model/failure.ts'
import { answerOf, type Fate, packetsOf } from '../net/packets/fate.ts'
import type { PacketAnswer, Reflected } from '../net/packets/question.ts'
import type { ExchangeKind } from '../net/sockets.ts'
import { datagramHeaderBytes, maxUdpPayloadBytes } from '../wire/ip.ts'
import { numberedBytes } from '../wire/stamp-question.ts'
import { type Dispersion, dispersionIn } from './dispersion.ts'
import { bytesToSend, expectationOf, expectOption, mostExpectedBytes, sendOption, shown } from './expectation.ts'
import { flowsOption, type SeenFlows } from './flows.ts'
import { askOverKept, type FlowAge, keepOption } from './kept.ts'
import { type Marks, marksOf } from './marks.ts'
import { ask, definePacketProbe, nextFlow, stampSessionOf } from './packet.ts'
import { type Attempt, defineProbe } from './probe.ts'
import { type Stamps, stampsOf } from './stamps.ts'
import { answersOfVolley, type Overtaken, overtakenIn, volleyOption } from './volley.ts'

const options = z.object({
  payloadBytes: z
    .int()
    .min(numberedBytes({ key: '' }))
    .max(maxUdpPayloadBytes)
    .default(64)
    .describe(
      `size of the UDP payload; larger where a key, a DSCP or timestamps need it, which together take ${numberedBytes({ key: 'any', dscp: 0, asksStamps: true })}; sent in fragments if the packet exceeds the MTU`,
    ),
  key: z
    .string()
    .default('')
    .meta({ writeOnly: true })
    .describe('secret shared by prober and reflector: packets are authenticated'),
  light: z
    .boolean()
    .default(false)
    .describe(
      'the reflector is one of TWAMP Light, or of STAMP without extensions (RFC 8972): its answer need not bring back the payload',
    ),
  dscp: z
    .int()
    .min(0)
    .max(63)
    .optional()
    .describe(
      'DSCP to send with; the result says with which one packets arrive at the reflector and return, and which way changes it (default: packets are not marked)',
    ),
  timestamps: z
    .boolean()
    .default(false)
    .describe(
      'ask the reflector what stamps its packets (hardware, software or control-plane; of Scout, software is the kernel and control-plane the process), what its clock follows, and when its previous answer left: results then say how long its host held the previous packet of the series',
    ),
  flows: flowsOption,
  volley: volleyOption,
  keep: keepOption('send from one source port in all attempts of a series; flows and volley are not used then'),
  plain: z
    .boolean()
    .default(false)
    .describe(
      'the target is an echo server (RFC 862), which sends back what it is sent; key, dscp, timestamps, flows, volley, keep, send and expect are not used then',
    ),
  send: sendOption.describe(
    'datagram for a service other than a reflector: text with escapes (\\r, \\n, \\x00), or hex: and bytes; payload size, key, dscp, timestamps, flows, volley and keep are not used then',
  ),
  expect: expectOption.describe(
    'what the answer of such a service must contain: text, hex: and bytes, or /a regular expression/ (default: any answer)',
  ),
})

type Options = z.output<typeof options>

export interface UdpDetail
  extends SeenFlows,
    Partial<FlowAge>,
    Partial<Marks>,
    Stamps,
    Overtaken,
    Dispersion,
    Pick<Reflected, 'residenceNs' | 'senderTtl'> {
  readonly payloadBytes: number
  /** Number of the datagram; absent for a service other than a reflector. */
  readonly sequence?: number
  readonly ttl?: number
  /** Packets of the series lost on their way to the reflector and back, since its last answer; absent if that cannot be known. */
  readonly lostForth?: number
  readonly lostBack?: number
  /** One-way delays, and how far each may be from the truth; only where the clocks of both hosts follow UTC. */
  readonly forthNs?: number
  readonly backNs?: number
  readonly clockErrorNs?: number
}

const echo = definePacketProbe({
  protocol: 'udp',
  summary:
    'send a packet to a Scout responder or any other STAMP reflector, or a datagram to any UDP service, and time the answer',
  targetForm: 'host:port',
  format: 'stamp',
  phase: 'echo',
  phases: { echo: 'packet sent to answer received, less the time at the reflector' },
  options,
  question: ({ payloadBytes, key, light, dscp, timestamps: asksStamps }) => ({
    payloadBytes: Math.max(payloadBytes, numberedBytes({ key, dscp, asksStamps })),
    key,
    isLight: light,
    ...(dscp === undefined ? {} : { dscp }),
    ...(asksStamps ? { asksStamps } : {}),
  }),
  flows: ({ flows }) => flows,
  detail: ({ payloadBytes, sequence, ttl, trafficClass, target, reflected }, { dscp, timestamps }): UdpDetail => ({
    payloadBytes,
    sequence,
    ...(ttl === undefined ? {} : { ttl }),
    ...(reflected === undefined ? {} : detailOf(reflected)),
    ...(dscp === undefined ? {} : marksOf(dscp, { target, trafficClass, service: reflected?.service })),
    ...(timestamps ? stampsOf(target.text, reflected) : {}),
  }),
})

export const udp = defineProbe({
  ...echo,
  packet: {
    ...echo.packet,
    question: (to, given: Options) =>
      isForService(given) || given.keep || given.volley > 1 ? undefined : echo.packet.question(to, given),
  },
  measure(attempt, given) {
    if (isForService(given)) return askService(attempt, given)
    if (given.keep) return askFromOnePort(attempt, given)
    return given.volley > 1 ? askVolley(attempt, given) : echo.measure(attempt, given)
  },
})

function detailOf({ residenceNs, senderTtl, lost, oneWay }: Reflected): Omit<UdpDetail, 'payloadBytes'> {
  return {
    ...(residenceNs === undefined ? {} : { residenceNs }),
    ...(senderTtl === undefined ? {} : { senderTtl }),
    ...(lost === undefined ? {} : { lostForth: lost.forth, lostBack: Math.max(0, lost.back) }),
    ...(oneWay === undefined ? {} : { forthNs: oneWay.forthNs, backNs: oneWay.backNs, clockErrorNs: oneWay.errorNs }),
  }
}

function isForService({ plain, send, expect }: Options): boolean {
  return plain || send !== '' || expect !== ''
}

type UdpAttempt = Attempt<'echo', 'host:port'>

/** Asks several times at once. One answer is a success: what is lost, other checks tell by single packets. */
async function askVolley(attempt: UdpAttempt, options: Options): Promise<UdpDetail> {
  const { endpoint, target, sockets, record, stopwatch, session, deadline } = attempt
  const { dscp: _, ...unmarked } = { ...options, timestamps: false }
  const question = echo.packet.question(endpoint, { ...unmarked, flows: 1 })
  if (question === undefined) throw new TypeError('a volley has a question')
  const asker = sockets.volleyAsker()
  const flow = await nextFlow(session, 'packet flow', { flows: asker.flows(question) })
  const own = await stampSessionOf(session)
  stopwatch.enter('echo')
  // Its numbers tell the order within a volley, from which losses between answers cannot be told.
  const by = { count: options.volley, flow, deadline, session: { ...own, answered: () => ({}) } }
  const fates = await asker.askTogether(question, by)
  const { packets, detail } = overtakenIn(fates)
  const volley = { ...detail, ...dispersionIn(fates, question.payloadBytes + datagramHeaderBytes[endpoint.family]) }
  record({ packets, detail: volley })
  const answers = answersOfVolley(fates, endpoint, deadline)
  const median = answers[answers.length >> 1]
  if (median === undefined) throw new TypeError('a volley that succeeds has an answer')
  stopwatch.settle(median.tookNs, median.clocks)
  return { ...echo.packet.detail(median, target, unmarked), ...volley }
}

/** Asks a reflector from the port that the attempts of the series share. */
async function askFromOnePort(attempt: UdpAttempt, options: Options): Promise<UdpDetail> {
  const { endpoint, target, sockets, record, stopwatch } = attempt
  const question = echo.packet.question(endpoint, { ...options, flows: 1 })
  if (question === undefined) throw new TypeError('a packet from one port has a question')
  const fates: Fate<PacketAnswer>[] = []
  stopwatch.enter('echo')
  const { answer, age } = await askOverKept(attempt, {
    open: () => sockets.stampAskerAlone(),
    async ask(asker, deadline) {
      const fate = await asker.ask(question, { flow: 0, deadline })
      fates.push(fate)
      record({ packets: packetsOf(fates) })
      return answerOf(fate, endpoint, deadline)
    },
  })
  stopwatch.settle(answer.tookNs, answer.clocks)
  return { ...echo.packet.detail(answer, target, options), ...age }
}

/** What comes from the target to the socket of the attempt is its answer: there is nothing else to tell by. */
const service: ExchangeKind = { protocol: 'udp', transport: 'udp', keyOf: () => 'answer' }

async function askService(attempt: UdpAttempt, options: Options): Promise<UdpDetail> {
  for (let tries = 0; tries < mostTries; tries++) {
    const answer = await askFromNewPort(attempt, options)
    if (answer !== 'itself') return answer
  }
  throw new FailureError(
    'refused',
    `${attempt.target.text} received its datagrams in the socket that sent them: nothing else listens there, and this host has no other source port free`,
  )
}

/** How often a datagram may come back to its own socket, because the kernel chose the port of the target as its source. */
const mostTries = 4

async function askFromNewPort(
  { endpoint, target, sockets, deadline, record, stopwatch }: UdpAttempt,
  { plain, payloadBytes: plainBytes, send, expect }: Options,
): Promise<UdpDetail | 'itself'> {
  // At random, so that nobody else can know what an echo is.
  const sent = plain ? randomBytes(plainBytes) : bytesToSend(send)
  const contains = expectationOf(expect)
  const isExpected = (bytes: Uint8Array) =>
    plain ? sent.equals(bytes) : contains(bytes.subarray(0, mostExpectedBytes))
  let unexpected: string | undefined
  const exchange = sockets.exchangeAlone(service, endpoint.family)
  const attempt = { deadline, record, stopwatch }
  try {
    stopwatch.enter('echo')
    const { message, ttl, sourcePort } = await ask(attempt, exchange, {
      bytes: sent,
      key: 'answer',
      to: endpoint,
      read(bytes) {
        if (isExpected(bytes)) {
          return { payloadBytes: bytes.length, isSame: sent.equals(bytes) }
        }
        unexpected ??= shown(bytes)
        return undefined
      },
    })
    const { payloadBytes, isSame } = message
    if (isSame && sourcePort === endpoint.port) return 'itself'
    return { payloadBytes, ...(ttl === undefined ? {} : { ttl }) }
  } catch (error) {
    if (unexpected === undefined || deadline.reason?.reason !== 'timeout') throw error
    const expected = plain ? 'not with what it was sent' : `nothing that contains ${expect}`
    throw new FailureError('bad-reply', `${target.text} answered ${unexpected}, but ${expected}`)
  } finally {
    exchange.close()
  }
}

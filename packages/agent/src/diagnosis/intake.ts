import type { RouteRequest } from '@scout/core'
import { callerOf, queryOf } from '../peers/greeting.ts'
import { directUrl } from '../peers/reach.ts'
import type { KnownPeer } from '../peers/roster.ts'
import { isSigned } from '../peers/signature.ts'
import { type Answer, parseAnswer } from './answer.ts'
import type { GatherOptions } from './gather.ts'
import { evidencePath, type Message, parseMessage, signedText } from './message.ts'

/** Requests with evidence by what became of them. `forwarded` ones were passed on to a watcher that their sender cannot reach. */
export interface IntakeCounters {
  accepted: number
  forwarded: number
  /** From an address that is no peer's, or about a node that is not its sender's. */
  unknown: number
  unsigned: number
  malformed: number
  /** Overtaken by a later one. */
  stale: number
  /** Beyond the limit on messages of one peer, or on those that are being forwarded. */
  refused: number
}

export interface Intake {
  readonly counters: Readonly<IntakeCounters>
  /** Answers a request with evidence, whose sender may be anybody. */
  receive(request: RouteRequest): Promise<Answer>
}

interface IntakeOptions extends Pick<GatherOptions, 'self' | 'key' | 'post' | 'monotonicMs'> {
  readonly peers: () => Iterable<KnownPeer>
  /** Takes a message of a known peer. */
  readonly onMessage: (message: Message) => Answer | 'stale'
}

/** Messages of one peer, with those it forwards: a burst, and so many per second. */
const burst = 32
const perSecond = 8
const mostForwarding = 16

export function createIntake(options: IntakeOptions): Intake {
  const { self, key, post, peers, onMessage, monotonicMs = () => performance.now() } = options
  const counters = { accepted: 0, forwarded: 0, unknown: 0, unsigned: 0, malformed: 0, stale: 0, refused: 0 }
  /** What is left of each peer's burst, and since when. */
  const rooms = new Map<string, { left: number; atMs: number }>()
  let forwarding = 0

  const refuse = (outcome: Exclude<keyof IntakeCounters, 'accepted' | 'forwarded'>): Answer => {
    counters[outcome]++
    return { accepted: false, because: outcome }
  }

  const hasRoom = ({ id }: KnownPeer, present: readonly KnownPeer[]): boolean => {
    const ids = new Set(present.map((peer) => peer.id))
    for (const known of rooms.keys()) if (!ids.has(known)) rooms.delete(known)
    const nowMs = monotonicMs()
    const room = rooms.get(id) ?? { left: burst, atMs: nowMs }
    const left = Math.min(burst, room.left + ((nowMs - room.atMs) / 1_000) * perSecond) - 1
    rooms.set(id, { left: Math.max(0, left), atMs: nowMs })
    return left >= 0
  }

  const forward = async (to: KnownPeer | undefined, { body, signature }: Signed): Promise<Answer> => {
    const base = to === undefined ? undefined : directUrl(to, self)
    if (base === undefined || forwarding >= mostForwarding) return refuse('refused')
    forwarding++
    const query = new URLSearchParams({ ...queryOf(self), signature: signature ?? '' })
    const answer = await post(`${base}${evidencePath}?${query.toString()}`, body)
    forwarding--
    const read = typeof answer === 'string' ? undefined : parseAnswer(answer.text)
    if (read === undefined) return { accepted: false, because: 'the watcher does not answer here, either' }
    counters.forwarded++
    return read
  }

  return {
    counters,
    async receive(request) {
      const { url, body = '' } = request
      const present = [...peers()]
      const from = callerOf(request, present)
      const caller = present.find(({ id }) => id === from?.peer.id)
      if (caller === undefined) return refuse('unknown')
      if (!hasRoom(caller, present)) return refuse('refused')
      const { searchParams } = new URL(url, 'http://scout')
      const signed = { body, signature: searchParams.get('signature') }
      if (!isSigned({ text: signedText(body), signature: signed.signature }, key)) return refuse('unsigned')
      const to = searchParams.get('to')
      if (to !== null)
        return forward(
          present.find(({ node, state }) => node === to && state === 'ready'),
          signed,
        )
      const message = parseMessage(body)
      if (message === undefined) return refuse('malformed')
      if (!present.some((peer) => isFrom(message, peer))) return refuse('unknown')
      const answer = onMessage(message)
      if (answer === 'stale') return refuse('stale')
      counters.accepted++
      return answer
    },
  }
}

interface Signed {
  readonly body: string
  readonly signature: string | null
}

/** Whether a message is about the node of this peer, and names it as its sender. One that was forwarded does not name its caller. */
function isFrom({ from, node }: Message, peer: KnownPeer): boolean {
  return (
    from.name === peer.name &&
    (peer.namespace === undefined || peer.namespace === from.namespace) &&
    node.name === peer.node
  )
}

import type { RouteRequest } from '@scout/core'
import { evidencePath, mostMessageBytes } from '../diagnosis/message.ts'
import { askPath } from './ask.ts'
import { goodbyePath, isGenuine } from './goodbye.ts'
import { callerOf, type Greeting, greetingPath } from './greeting.ts'
import type { Peer } from './peer.ts'
import type { Roster } from './roster.ts'

/** Responder paths that `createRequestHandler` answers, with the method that each needs. */
export const peerPaths: Readonly<Record<string, 'GET' | 'POST'>> = {
  [greetingPath]: 'GET',
  [goodbyePath]: 'POST',
  [evidencePath]: 'POST',
  [askPath]: 'GET',
}

/** Largest body of the requests that have one. */
export const peerBodies: Readonly<Record<string, number>> = { [evidencePath]: mostMessageBytes }

interface HandlerOptions {
  readonly roster: Pick<Roster, 'peers' | 'hello' | 'goodbye'>
  readonly ownGreeting: () => Greeting
  /** Secret shared by all agents; without it, any goodbye of a peer's address is accepted. */
  readonly key: string
  /** Called when a peer has sent a greeting. */
  readonly onHello: (peer: Peer) => void
  /** Answers evidence, whose sender may be anybody. */
  readonly onEvidence: (request: RouteRequest) => Promise<object>
  /** Answers a question, whose sender may be anybody; undefined means 404. */
  readonly onAsked: (request: RouteRequest) => Promise<object | undefined>
}

/** Returns a handler that answers greetings, goodbyes and evidence of peers, and passes them on; undefined means 404. */
export function createRequestHandler({
  roster,
  ownGreeting,
  key,
  onHello,
  onEvidence,
  onAsked,
}: HandlerOptions): (path: string, request: RouteRequest) => object | undefined | Promise<object | undefined> {
  return (path, request) => {
    if (path === evidencePath) return onEvidence(request)
    if (path === askPath) return onAsked(request)
    const from = callerOf(request, roster.peers.values())
    if (path === greetingPath) {
      if (from !== undefined) {
        roster.hello(from.peer, from.process)
        onHello(from.peer)
      }
      return ownGreeting()
    }
    if (from === undefined || !isGenuine(request, key)) return undefined
    roster.goodbye(from.peer, from.process)
    return { message: `goodbye, ${from.peer.name}` }
  }
}

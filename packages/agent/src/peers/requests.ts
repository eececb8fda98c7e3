import type { RouteRequest } from '@scout/core'
import { goodbyePath } from './goodbye.ts'
import { callerOf, type Greeting, greetingPath } from './greeting.ts'
import type { Roster } from './roster.ts'

/** Responder paths that `createRequestHandler` answers. */
export const peerPaths = [greetingPath, goodbyePath] as const

/** Returns a handler that answers greetings and goodbyes of peers, and passes them on to the roster; undefined means 404. */
export function createRequestHandler(
  roster: Roster,
  ownGreeting: () => Greeting,
): (path: string, request: RouteRequest) => object | undefined {
  return (path, request) => {
    const from = callerOf(request, roster.peers.values())
    if (path === greetingPath) {
      if (from !== undefined) roster.hello(from.peer, from.startedAtMs)
      return ownGreeting()
    }
    if (from === undefined) return undefined
    roster.goodbye(from.peer, from.startedAtMs)
    return { message: `goodbye, ${from.peer.name}` }
  }
}

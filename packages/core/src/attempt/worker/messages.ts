import type { ScoutErrorCode } from '../../model/errors.ts'
import type { Stray } from '../../net/packets/exchange.ts'
import type { Protocol } from '../../probes/index.ts'
import type { Result } from '../../probes/result.ts'
import type { RouteRequest } from '../../responders/http.ts'
import type { ResponderCounters } from '../../responders/responder.ts'
import type { Arrivals } from '../../responders/udp.ts'
import type { AttemptRequest } from '../engine.ts'
import type { ResultBatch, TaskChange } from '../task.ts'

/*
 * Protocol between a probe thread, which may also run responders, and the thread that started it.
 */

/** Counters of a thread's responders, keyed by responder name. */
export type CountersByResponder = Readonly<Record<string, Readonly<ResponderCounters>>>

/** Messages to the probe thread. */
export type ToThread =
  | ({ readonly kind: 'attempt'; readonly id: number } & AttemptRequest)
  | { readonly kind: 'cancel'; readonly id: number }
  | { readonly kind: 'end session'; readonly session: number }
  /** Is answered with `accepted` or `misuse`. */
  | ({ readonly kind: 'tasks'; readonly id: number } & TaskChange)
  /** Answer to a `request`. */
  | { readonly kind: 'answered'; readonly id: number; readonly content: object | undefined }
  | { readonly kind: 'ping' }
  /** Closes the responders, then cancels attempts in progress and ends the thread. */
  | { readonly kind: 'stop' }

/** Messages from the probe thread. */
export type FromThread = FromProber | FromResponders

/** … about attempts and tasks. */
export type FromProber =
  | { readonly kind: 'result'; readonly id: number; readonly result: Result }
  | { readonly kind: 'accepted'; readonly id: number }
  | { readonly kind: 'misuse'; readonly id: number; readonly code: ScoutErrorCode; readonly message: string }
  | ({ readonly kind: 'results' } & ResultBatch)
  | { readonly kind: 'stray'; readonly protocol: Protocol; readonly stray: Stray }

/** … about its responders and its health. */
export type FromResponders =
  /** The responders are listening on this port. */
  | { readonly kind: 'listening'; readonly port: number }
  /** A responder received a request for a path that the other thread answers. */
  | { readonly kind: 'request'; readonly id: number; readonly path: string; readonly request: RouteRequest }
  | { readonly kind: 'counted'; readonly counters: CountersByResponder; readonly arrivals: Arrivals }
  | { readonly kind: 'pong' }

import type { ScoutErrorCode } from '../../model/errors.ts'
import type { Stray } from '../../net/packets/exchange.ts'
import type { Protocol } from '../../probes/index.ts'
import type { Result } from '../../probes/result.ts'
import type { RouteRequest } from '../../responders/http.ts'
import type { ResponderCounters } from '../../responders/responder.ts'
import type { AttemptRequest } from '../engine.ts'

/*
 * The one protocol between a thread that probes (and answers, where it has responders) and the thread that started it.
 */

/** Counters of a thread's responders, by their names. */
export type CountersByResponder = Readonly<Record<string, Readonly<ResponderCounters>>>

/** What the thread that asks sends to the thread that probes. */
export type ToThread =
  | ({ readonly kind: 'attempt'; readonly id: number } & AttemptRequest)
  | { readonly kind: 'cancel'; readonly id: number }
  | { readonly kind: 'end session'; readonly session: number }
  /** Answers a `request`. */
  | { readonly kind: 'answered'; readonly id: number; readonly content: object | undefined }
  | { readonly kind: 'ping' }
  /** Closes the responders, then cancels what is under way and ends the thread. */
  | { readonly kind: 'stop' }

/** What the thread that probes sends to the thread that asks. */
export type FromThread =
  | { readonly kind: 'result'; readonly id: number; readonly result: Result }
  | { readonly kind: 'misuse'; readonly id: number; readonly code: ScoutErrorCode; readonly message: string }
  | { readonly kind: 'stray'; readonly protocol: Protocol; readonly stray: Stray }
  /** The responders listen, on this port. */
  | { readonly kind: 'listening'; readonly port: number }
  /** A responder was asked for a path that the other thread answers. */
  | { readonly kind: 'request'; readonly id: number; readonly path: string; readonly request: RouteRequest }
  | { readonly kind: 'counted'; readonly counters: CountersByResponder }
  | { readonly kind: 'pong' }

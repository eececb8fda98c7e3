import type { ScoutErrorCode } from '../../model/errors.ts'
import type { Stray } from '../../net/packets/exchange.ts'
import type { Protocol } from '../../probes/index.ts'
import type { Result } from '../../probes/result.ts'
import type { AttemptRequest } from '../engine.ts'

/** What the thread that asks tells the thread that probes. */
export type ToWorker =
  | ({ readonly kind: 'attempt'; readonly id: number } & AttemptRequest)
  | { readonly kind: 'cancel'; readonly id: number }
  | { readonly kind: 'end session'; readonly session: number }
  | { readonly kind: 'close' }

/** What the thread that probes tells the thread that asks. */
export type FromWorker =
  | { readonly kind: 'result'; readonly id: number; readonly result: Result }
  | { readonly kind: 'misuse'; readonly id: number; readonly code: ScoutErrorCode; readonly message: string }
  | { readonly kind: 'stray'; readonly protocol: Protocol; readonly stray: Stray }

import { ScoutError } from '../model/errors.ts'
import type { OptionsOf, Protocol, ResultOf } from '../probes/index.ts'
import type { AttemptOptions, Prober } from './prober.ts'
import { checkInterval } from './task.ts'

export interface RepeatOptions {
  /** Number of attempts (default: unlimited). */
  readonly count?: number
  /** Time from the start of one attempt to the start of the next. Attempts that take longer overlap. */
  readonly intervalMs: number
  readonly signal?: AbortSignal
  /** Called when an attempt starts, with its number. */
  readonly onStart?: (number: number) => void
}

/** Result of one attempt in a series. */
export interface Repeated<Name extends Protocol> {
  /** Position in the order of starts, from 1. */
  readonly number: number
  readonly result: ResultOf<Name>
}

export interface RepeatRequest<Name extends Protocol> {
  readonly protocol: Name
  readonly target: string
  readonly options?: OptionsOf<Name>
}

/**
 * Makes attempts at a steady interval in one session. Yields each when it ends, so a slow one may come after its successor. Ends after
 * `count` attempts, or when `signal` aborts; attempts in progress are then cancelled and not yielded.
 * @throws {ScoutError} `invalid-option`, and any misuse that the prober reports
 */
export async function* repeat<Name extends Protocol>(
  prober: Prober,
  { protocol, target, options }: RepeatRequest<Name>,
  { count = Number.POSITIVE_INFINITY, intervalMs, signal, onStart }: RepeatOptions,
): AsyncGenerator<Repeated<Name>, void, undefined> {
  checkInterval(intervalMs)
  if (!(count >= 0)) throw new ScoutError('invalid-option', `cannot repeat ${count} times: choose a count of 0 or more`)
  const ended: Repeated<Name>[] = []
  const errors: unknown[] = []
  const stop = new AbortController()
  let started = 0
  let finished = 0
  let wake = () => {}

  const session = prober.openSession()
  const attemptOptions: AttemptOptions<Name> = Object.assign({ signal: stop.signal, session }, options)

  const start = () => {
    if (started >= count) return
    const number = ++started
    onStart?.(number)
    prober.probe(protocol, target, attemptOptions).then(
      (result) => {
        if (!stop.signal.aborted) ended.push({ number, result })
        wake()
      },
      (error: unknown) => {
        errors.push(error)
        wake()
      },
    )
    if (started >= count) clearInterval(timer)
  }
  const abort = () => {
    stop.abort()
    wake()
  }
  const timer = setInterval(start, intervalMs)
  signal?.addEventListener('abort', abort, { once: true })
  try {
    const isAborted = () => signal?.aborted === true
    if (isAborted()) return
    start()
    while (finished < count) {
      if (errors.length > 0) throw errors[0]
      const next = ended.shift()
      if (next === undefined) {
        if (isAborted()) return
        await new Promise<void>((resolve) => {
          wake = resolve
        })
        continue
      }
      finished++
      yield next
    }
  } finally {
    clearInterval(timer)
    signal?.removeEventListener('abort', abort)
    stop.abort()
    session.close()
  }
}

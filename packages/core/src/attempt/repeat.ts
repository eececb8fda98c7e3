import { ScoutError } from '../model/errors.ts'
import type { OptionsOf, Protocol, ResultOf } from '../probes/index.ts'
import type { AttemptOptions, Prober } from './prober.ts'

export interface RepeatOptions {
  /** Attempts to make (default: no end). */
  readonly count?: number
  /** From the start of one attempt to the start of the next; attempts that take longer overlap. */
  readonly intervalMs: number
  readonly signal?: AbortSignal
  /** Called when an attempt starts, with its number. */
  readonly onStart?: (number: number) => void
}

/** One of several attempts. */
export interface Repeated<Name extends Protocol> {
  /** Counts attempts from 1 in the order they started. */
  readonly number: number
  readonly result: ResultOf<Name>
}

export interface RepeatRequest<Name extends Protocol> {
  readonly protocol: Name
  readonly target: string
  readonly options?: OptionsOf<Name>
}

/**
 * Attempts at a steady interval over one session, each yielded when it ends (so a slow one may come after its successor). Ends after `count`, or
 * when `signal` aborts: attempts under way are then cancelled and not yielded.
 * @throws {ScoutError} `invalid-option`, and what the prober throws for misuse.
 */
export async function* repeat<Name extends Protocol>(
  prober: Prober,
  { protocol, target, options }: RepeatRequest<Name>,
  { count = Number.POSITIVE_INFINITY, intervalMs, signal, onStart }: RepeatOptions,
): AsyncGenerator<Repeated<Name>, void, undefined> {
  // A timer takes no more than 31 bits of milliseconds, and fires at once when given more.
  if (!(intervalMs >= 1 && intervalMs < 2 ** 31))
    throw new ScoutError('invalid-option', `cannot repeat every ${intervalMs} ms: take an interval of 1 ms to 24 days`)
  if (!(count >= 0)) throw new ScoutError('invalid-option', `cannot repeat ${count} times: take a count of 0 or more`)
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

import type { Prober } from './prober.ts'
import type { OptionsOf, Protocol, ResultOf } from './probes/index.ts'

export interface RepeatOptions {
  /** Attempts to make; without end unless given. */
  readonly count?: number
  /** From the start of one attempt to the start of the next; attempts that take longer overlap. */
  readonly intervalMs: number
  readonly signal?: AbortSignal
}

export interface RepeatRequest<Name extends Protocol> {
  readonly protocol: Name
  readonly target: string
  readonly options?: OptionsOf<Name>
}

/**
 * Attempts at a steady interval, each yielded when it ends (so a slow one may come after its successor). Ends after `count`, or
 * when `signal` aborts: attempts under way are then cancelled and not yielded.
 */
export async function* repeat<Name extends Protocol>(
  prober: Prober,
  { protocol, target, options }: RepeatRequest<Name>,
  { count = Number.POSITIVE_INFINITY, intervalMs, signal }: RepeatOptions,
): AsyncGenerator<ResultOf<Name>, void, undefined> {
  const ended: ResultOf<Name>[] = []
  const errors: unknown[] = []
  const stop = new AbortController()
  let started = 0
  let finished = 0
  let wake = () => {}

  const start = () => {
    if (started >= count) return
    started++
    prober.probe(protocol, target, options, stop.signal).then(
      (result) => {
        ended.push(result)
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
    while (finished < count && !isAborted()) {
      if (errors.length > 0) throw errors[0]
      const result = ended.shift()
      if (result === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
        continue
      }
      finished++
      yield result
    }
  } finally {
    clearInterval(timer)
    signal?.removeEventListener('abort', abort)
    stop.abort()
  }
}

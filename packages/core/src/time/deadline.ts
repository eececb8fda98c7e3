import { FailureError } from '../model/failure.ts'
import { nowNs } from './clock.ts'

type Listener = (reason: FailureError) => void

/** End of one attempt: by timeout, or because its caller cancelled it. */
export class Deadline {
  readonly timeoutNs: number
  /** Time at which it expires, on the clock of `nowNs`. */
  readonly atNs: number
  #reason: FailureError | undefined
  /** The first listener is stored without a set, because most attempts have only one at a time. */
  #first: Listener | undefined
  #others: Set<Listener> | undefined
  #controller: AbortController | undefined

  constructor(timeoutMs: number) {
    this.timeoutNs = timeoutMs * 1e6
    this.atNs = nowNs() + this.timeoutNs
  }

  /** Why it is over; undefined until then. */
  get reason(): FailureError | undefined {
    return this.#reason
  }

  /** Aborts when the deadline is over. Created on first use, because it costs more than sending a packet. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.#reason !== undefined) this.#controller.abort(this.#reason)
    return this.#controller.signal
  }

  /** Returns the nanoseconds left. */
  remainingNs(): number {
    return this.atNs - nowNs()
  }

  /** Returns the nanoseconds since its start. */
  elapsedNs(): number {
    return this.timeoutNs - this.remainingNs()
  }

  /** Calls `listener` once when it is over, at once if it already is. Returns a function that removes the listener. */
  onOver(listener: Listener): () => void {
    if (this.#reason !== undefined) {
      listener(this.#reason)
      return () => {}
    }
    if (this.#first === undefined) this.#first = listener
    else (this.#others ??= new Set()).add(listener)
    return () => {
      if (this.#first === listener) this.#first = undefined
      else this.#others?.delete(listener)
    }
  }

  timedOut(): FailureError {
    return timedOutAfter(this.timeoutNs / 1e6)
  }

  cancel(): void {
    this.end(new FailureError('cancelled', 'the caller cancelled the attempt'))
  }

  /** Ends it. Only the first reason counts. */
  end(reason: FailureError): void {
    if (this.#reason !== undefined) return
    this.#reason = reason
    this.#first?.(reason)
    for (const listener of this.#others ?? []) listener(reason)
    this.#controller?.abort(reason)
  }
}

export function timedOutAfter(timeoutMs: number): FailureError {
  return new FailureError('timeout', `no answer within ${timeoutMs} ms`)
}

/** The deadlines of one prober. */
export interface Deadlines {
  start(timeoutMs: number): Deadline
  /** Stops watching a deadline, because its attempt has ended. */
  clear(deadline: Deadline): void
  /** Ends all running deadlines for this reason. */
  endAll(reason: FailureError): void
}

/**
 * Runs all deadlines with a single timer, set for the earliest. Most have the same length and rarely expire.
 *
 * The timer alone does not end a deadline: libuv runs timers before it polls, so an answer may already be in a socket when the timer
 * fires late. The check phase ends it, after one poll has drained the sockets.
 */
export function createDeadlines(): Deadlines {
  const running = new Set<Deadline>()
  let timer: NodeJS.Timeout | undefined
  let drained: NodeJS.Immediate | undefined
  let dueNs = Number.POSITIVE_INFINITY

  const disarm = () => {
    clearTimeout(timer)
    clearImmediate(drained)
    dueNs = Number.POSITIVE_INFINITY
  }

  const armFor = (atNs: number) => {
    disarm()
    dueNs = atNs
    timer = setTimeout(
      () => {
        drained = setImmediate(endThoseDue)
      },
      // It may have expired while the others were checked.
      Math.max(1, Math.ceil((atNs - nowNs()) / 1e6)),
    )
  }

  // Possibly none is due: a timer counts from the start of its event loop iteration, so after other work it fires too early.
  const endThoseDue = () => {
    const atNs = nowNs()
    let nextNs = Number.POSITIVE_INFINITY
    for (const deadline of running) {
      if (deadline.atNs <= atNs) deadline.end(deadline.timedOut())
      else nextNs = Math.min(nextNs, deadline.atNs)
    }
    disarm()
    if (nextNs < Number.POSITIVE_INFINITY) armFor(nextNs)
  }

  return {
    start(timeoutMs) {
      const deadline = new Deadline(timeoutMs)
      running.add(deadline)
      if (deadline.atNs < dueNs) armFor(deadline.atNs)
      return deadline
    },
    clear(deadline) {
      running.delete(deadline)
      if (running.size === 0) disarm()
    },
    endAll(reason) {
      for (const deadline of running) deadline.end(reason)
    },
  }
}

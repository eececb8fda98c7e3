import { FailureError } from '../model/failure.ts'
import { nowNs } from './clock.ts'

type Listener = (reason: FailureError) => void

/** How one attempt learns that it is over: its time is up, or its caller gave up. */
export class Deadline {
  readonly timeoutNs: number
  /** On the clock of `nowNs`. */
  readonly atNs: number
  #reason: FailureError | undefined
  /** Most attempts wait for one thing at a time, so the first needs no set. */
  #first: Listener | undefined
  #others: Set<Listener> | undefined
  #controller: AbortController | undefined

  constructor(timeoutMs: number) {
    this.timeoutNs = timeoutMs * 1e6
    this.atNs = nowNs() + this.timeoutNs
  }

  /** Why it is over; undefined while it is not. */
  get reason(): FailureError | undefined {
    return this.#reason
  }

  /** For what takes a signal. Made when first asked for: it costs more than sending a packet. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.#reason !== undefined) this.#controller.abort(this.#reason)
    return this.#controller.signal
  }

  /** Nanoseconds that are left. */
  remainingNs(): number {
    return this.atNs - nowNs()
  }

  /** Nanoseconds since it began to run. */
  elapsedNs(): number {
    return this.timeoutNs - this.remainingNs()
  }

  /** Calls `listener` once when it is over, at once if it is already. Returns a function that takes the listener off. */
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
    return new FailureError('timeout', `no answer within ${this.timeoutNs / 1e6} ms`)
  }

  cancel(): void {
    this.end(new FailureError('cancelled', 'the caller gave up'))
  }

  /** It is over, for the first reason given. */
  end(reason: FailureError): void {
    if (this.#reason !== undefined) return
    this.#reason = reason
    this.#first?.(reason)
    for (const listener of this.#others ?? []) listener(reason)
    this.#controller?.abort(reason)
  }
}

/** The deadlines of one prober. */
export interface Deadlines {
  start(timeoutMs: number): Deadline
  /** The attempt has ended: its deadline is watched no more. */
  clear(deadline: Deadline): void
  /** Ends all that run, for this reason. */
  endAll(reason: FailureError): void
}

/**
 * All by one timer, for whichever comes first; most are of one length and seldom come.
 *
 * The timer never decides alone: libuv runs timers before it polls, so an answer may already wait in a socket when the timer
 * fires late. The end comes from the check phase, after one poll has drained the sockets.
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
      // While the others were looked through, its time may have come.
      Math.max(1, Math.ceil((atNs - nowNs()) / 1e6)),
    )
  }

  // Perhaps none is: a timer counts from when its turn of the event loop began, so behind other work it fires before its time.
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

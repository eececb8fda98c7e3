import { nowNs } from './clock.ts'
import { FailureError } from './failure.ts'

/**
 * How one attempt learns that it is over: its time is up, or its caller gave up. To be cleared when the attempt has ended.
 *
 * The timer never decides alone: libuv runs timers before it polls, so an answer may already wait in a socket when the timer
 * fires late. The end comes from the check phase, after one poll has drained the sockets.
 */
export class Deadline {
  readonly timeoutNs: number
  readonly #atNs: number
  #reason: FailureError | undefined
  #listener: ((reason: FailureError) => void) | undefined
  #controller: AbortController | undefined
  #timer: NodeJS.Timeout | undefined
  #drained: NodeJS.Immediate | undefined

  constructor(timeoutMs: number) {
    this.timeoutNs = timeoutMs * 1e6
    this.#atNs = nowNs() + this.timeoutNs
    this.#wait(timeoutMs)
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
    return this.#atNs - nowNs()
  }

  /** Has `listener` told, in place of the one before: an attempt waits for one thing at a time. At once where it is over. */
  onOver(listener: (reason: FailureError) => void): void {
    this.#listener = listener
    if (this.#reason !== undefined) listener(this.#reason)
  }

  timedOut(): FailureError {
    return new FailureError('timeout', `no answer within ${this.timeoutNs / 1e6} ms`)
  }

  cancel(): void {
    this.#end(new FailureError('cancelled', 'the caller gave up'))
  }

  clear(): void {
    clearTimeout(this.#timer)
    if (this.#drained !== undefined) clearImmediate(this.#drained)
    this.#listener = undefined
  }

  #wait(ms: number): void {
    this.#timer = setTimeout(() => this.#waited(), Math.ceil(ms))
  }

  // A timer counts from when its turn of the event loop began, so behind other work it fires before its time.
  #waited(): void {
    const leftMs = this.remainingNs() / 1e6
    if (leftMs > 0) return this.#wait(leftMs)
    this.#drained = setImmediate(() => this.#end(this.timedOut()))
  }

  #end(reason: FailureError): void {
    if (this.#reason !== undefined) return
    this.#reason = reason
    this.#listener?.(reason)
    this.#controller?.abort(reason)
  }
}

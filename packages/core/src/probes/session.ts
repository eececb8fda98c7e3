import { FailureError } from '../model/failure.ts'

/** A value held in a session. */
export interface Held<T> {
  readonly value: T
  /** Nanoseconds since it was opened. */
  readonly ageNs: number
  /** Whether it was opened for this attempt. */
  readonly isNew: boolean
}

/** State shared by the attempts of one series. */
export interface Session {
  /**
   * Returns the value of this name, which `open` creates on the first call. Closing the session closes it. If `open` fails, rejects with
   * its error; the next call tries again.
   */
  hold<T extends Closable>(name: string, open: () => T | Promise<T>): Promise<Held<T>>
}

interface Closable {
  close(): void
}

interface Opening {
  readonly value: Promise<Closable>
  openedAtMs: number
}

/** A session with the means to close it. */
export class OwnSession implements Session {
  #values: Map<string, Opening> | undefined
  #isClosed = false

  hold<T extends Closable>(name: string, open: () => T | Promise<T>): Promise<Held<T>>
  async hold(name: string, open: () => Closable | Promise<Closable>): Promise<Held<Closable>> {
    if (this.#isClosed) throw closedFailure()
    const values = (this.#values ??= new Map<string, Opening>())
    const known = values.get(name)
    const opening = known ?? { value: Promise.resolve().then(open), openedAtMs: performance.now() }
    if (known === undefined) values.set(name, opening)
    try {
      const value = await opening.value
      const ageNs = known === undefined ? 0 : Math.round((performance.now() - opening.openedAtMs) * 1e6)
      return { value, ageNs, isNew: known === undefined }
    } catch (error) {
      if (values.get(name) === opening) values.delete(name)
      throw error
    }
  }

  close(): void {
    this.#isClosed = true
    for (const { value } of this.#values?.values() ?? []) {
      // Ignored, because a value that failed to open has already failed its attempt.
      value.then((opened) => opened.close()).catch(() => {})
    }
    this.#values = undefined
  }
}

function closedFailure(): FailureError {
  return new FailureError('cancelled', 'the session was closed during this attempt')
}

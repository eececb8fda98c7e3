import type { SharesByDirection } from '../evidence.ts'
import { deadProbability } from './last-run.ts'
import { intervalOf, shareOf } from './proportion.ts'

/** What an answer reports about the packets before it that had none. */
export interface Reported {
  readonly forth: number
  readonly back: number
  /** Answers: more than one if they are condensed. */
  readonly returned: number
}

/** Packets of one series that were lost in each direction while something is wrong, as its answers report them. */
export class Directions {
  #returned = 0
  #forth = 0
  #back = 0

  /** Adds an answer. Of a run that the loss beside it cannot explain, which is an outage, it counts nothing. */
  add({ forth, back, returned }: Reported): void {
    this.#returned += returned
    const run = forth + back
    // An answer that was reported as lost has come.
    if (run <= 0) {
      this.#back = Math.max(0, this.#back + back)
      return
    }
    const lost = this.#forth + this.#back
    if (run > 1 && intervalOf(lost, lost + this.#returned).high ** run < deadProbability) return
    this.#forth += forth
    this.#back += back
  }

  forget(): void {
    this.#returned = 0
    this.#forth = 0
    this.#back = 0
  }

  /** Undefined before the first answer that reports a loss. */
  get losses(): SharesByDirection | undefined {
    const [returned, forth, back] = [this.#returned, this.#forth, this.#back]
    if (forth + back === 0) return undefined
    return { forth: shareOf(forth, returned + back + forth), back: shareOf(back, returned + back) }
  }
}

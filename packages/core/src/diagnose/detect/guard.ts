const burstMs = 30_000
/** Time between good trials that count while no bad ones do. */
const goodMs = 1_000
/** Bad trials in a row, and within `burstMs`, that count. */
export const mostOfC = { inRow: 2, inBurst: 3 } as const
export const mostOfF = { inRow: Number.POSITIVE_INFINITY, inBurst: 2 } as const

/** Decides which trials count. While as many bad ones have counted as may in one burst, no more of them do, and few good ones. */
export class Guard {
  isCounted = false
  readonly #inRow: number
  /** Wall clock of the last bad trials that counted, in a ring. */
  readonly #countedMs: number[]
  #next = 0
  #run = 0
  /** Wall clock of the last good trial that counted. */
  #goodMs = Number.NEGATIVE_INFINITY

  constructor({ inRow, inBurst }: typeof mostOfC | typeof mostOfF) {
    this.#inRow = inRow
    this.#countedMs = new Array<number>(inBurst).fill(Number.NEGATIVE_INFINITY)
  }

  add(isBad: boolean, atMs: number): void {
    this.#run = isBad ? this.#run + 1 : 0
    const oldestMs = this.#countedMs[this.#next] ?? 0
    // Results may arrive out of order, and the clock may be set.
    const isFull = Math.abs(atMs - oldestMs) < burstMs
    if (!isBad) {
      this.isCounted = !isFull || Math.abs(atMs - this.#goodMs) >= goodMs
      if (this.isCounted) this.#goodMs = atMs
      return
    }
    this.isCounted = !isFull && this.#run <= this.#inRow
    if (!this.isCounted) return
    this.#countedMs[this.#next] = atMs
    this.#next = (this.#next + 1) % this.#countedMs.length
  }
}

/** Buckets per octave; they hold a value to within 0.1 % (half of 1/512). */
const partsOfOctave = 512

/**
 * Counts durations in buckets that grow with the value (log-linear, as in HdrHistogram). It covers any range with one relative error,
 * and uses memory only for non-empty buckets. Two histograms merge without loss.
 */
export class Histogram {
  readonly #counts = new Map<number, number>()
  #count = 0
  #sumNs = 0
  #minNs = Number.POSITIVE_INFINITY
  #maxNs = 0

  get count(): number {
    return this.#count
  }

  get sumNs(): number {
    return this.#sumNs
  }

  /** Exact minimum; Infinity when empty. */
  get minNs(): number {
    return this.#minNs
  }

  /** Exact maximum; 0 when empty. */
  get maxNs(): number {
    return this.#maxNs
  }

  record(ns: number): void {
    this.#add(bucketOf(ns), 1)
    this.#count++
    this.#sumNs += ns
    this.#minNs = Math.min(this.#minNs, ns)
    this.#maxNs = Math.max(this.#maxNs, ns)
  }

  merge(other: Histogram): void {
    for (const [bucket, count] of other.#counts) this.#add(bucket, count)
    this.#count += other.#count
    this.#sumNs += other.#sumNs
    this.#minNs = Math.min(this.#minNs, other.#minNs)
    this.#maxNs = Math.max(this.#maxNs, other.#maxNs)
  }

  /** Returns the quantile at `ratio` (0 to 1), to within 0.1 %; NaN when empty. */
  quantileNs(ratio: number): number {
    if (this.#count === 0) return Number.NaN
    let left = Math.max(1, Math.ceil(ratio * this.#count))
    for (const bucket of this.#buckets()) {
      left -= this.#counts.get(bucket) ?? 0
      if (left <= 0) return Math.min(this.#maxNs, Math.max(this.#minNs, middleOf(bucket)))
    }
    return this.#maxNs
  }

  /** Counts the values above the previous edge and up to each edge, then those above all edges. Edges are exact to within 0.1 %. */
  countsBetween(edgesNs: readonly number[]): readonly number[] {
    const counts = new Array<number>(edgesNs.length + 1).fill(0)
    for (const [bucket, count] of this.#counts) {
      const found = edgesNs.findIndex((edgeNs) => middleOf(bucket) <= edgeNs)
      const index = found < 0 ? edgesNs.length : found
      counts[index] = (counts[index] ?? 0) + count
    }
    return counts
  }

  #add(bucket: number, count: number): void {
    this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + count)
  }

  #buckets(): readonly number[] {
    return [...this.#counts.keys()].toSorted((a, b) => a - b)
  }
}

/** Returns the bucket of a value. Below `partsOfOctave`, each whole nanosecond has its own bucket. */
function bucketOf(ns: number): number {
  const value = Math.max(0, Math.floor(ns))
  if (value < partsOfOctave) return value
  const octave = Math.floor(Math.log2(value / partsOfOctave))
  return (octave + 1) * partsOfOctave + Math.floor(value / 2 ** octave) - partsOfOctave
}

function middleOf(bucket: number): number {
  if (bucket < partsOfOctave) return bucket
  const octave = Math.floor(bucket / partsOfOctave) - 1
  const width = 2 ** octave
  return ((bucket % partsOfOctave) + partsOfOctave) * width + (width - 1) / 2
}

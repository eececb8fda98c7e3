import { median, quantile } from '../report/quantiles.ts'
import { type Figure, figures, type Sample } from './sample.ts'

/** How far a tool was from the wire, in microseconds. */
export interface Errors {
  readonly n: number
  /** Signed: above zero the tool reports more than the wire shows. */
  readonly medianUs: number
  /** Of the absolute error, as is the greatest. */
  readonly p99Us: number
  readonly maxUs: number
  /** Median of the truth itself. */
  readonly trueUs: number
}

/** One run of a tool, compared with the wire. */
export interface Comparison {
  readonly sent: number
  /** Probes whose answer the wire shows in time, and that the tool calls lost or late. */
  readonly falselyLost: number
  readonly errors: Readonly<Partial<Record<Figure, Errors>>>
}

/** How many probes at the start count for nothing: code is compiled, neighbours are found. */
const warmup = 20

/**
 * Pairs by order: a tool's nth probe of an address is the nth conversation with it on the wire. If a tool says when it sent its probes, it
 * may leave out the first and the last of them.
 */
export function compare(readings: readonly Sample[], all: readonly Sample[]): Comparison {
  const truths = readings.every(({ sentNs }) => sentNs !== undefined) ? sameTimes(readings, all) : all
  if (readings.length !== truths.length)
    throw new Error(`the tool reports ${readings.length} probes, and the wire shows ${truths.length}`)
  const truthOf = takeInOrder(truths)
  const pairs = readings.map((told) => ({ told, true: truthOf(told.to) })).slice(warmup)
  return {
    sent: pairs.length,
    falselyLost: pairs.filter((pair) => isFalselyLost(pair.told, pair.true)).length,
    errors: Object.fromEntries(
      figures.flatMap((figure) => {
        const summary = summarize(
          pairs.map((pair) => ({ told: pair.told.timesNs[figure], true: pair.true.timesNs[figure] })),
        )
        return summary === undefined ? [] : [[figure, summary]]
      }),
    ),
  }
}

/** The stretch of the wire whose departures are at the most constant distance from those that the tool reports. */
function sameTimes(readings: readonly Sample[], all: readonly Sample[]): readonly Sample[] {
  const stretches = Array.from({ length: Math.max(0, all.length - readings.length) + 1 }, (_, first) => {
    const truths = all.slice(first, first + readings.length)
    const apartNs = readings.map(({ sentNs = 0 }, i) => (truths[i]?.sentNs ?? 0) - sentNs)
    const middleNs = median(apartNs) ?? 0
    return { truths, strayNs: apartNs.reduce((sum, ns) => sum + Math.abs(ns - middleNs), 0) }
  })
  return stretches.toSorted((a, b) => a.strayNs - b.strayNs)[0]?.truths ?? []
}

function isFalselyLost(told: Sample, truth: Sample): boolean {
  const isTold = Object.keys(told.timesNs).length > 0
  return !isTold && truth.limitMs !== undefined && truth.limitMs < (told.limitMs ?? Number.POSITIVE_INFINITY)
}

function takeInOrder(samples: readonly Sample[]): (to: string) => Sample {
  const queues = new Map<string, Sample[]>()
  for (const sample of samples) {
    const queue = queues.get(sample.to)
    if (queue === undefined) queues.set(sample.to, [sample])
    else queue.push(sample)
  }
  return (to) => {
    const sample = queues.get(to)?.shift()
    if (sample === undefined) throw new Error(`the tool reports a probe of ${to} that the wire does not show`)
    return sample
  }
}

function summarize(
  pairs: readonly { readonly told: number | undefined; readonly true: number | undefined }[],
): Errors | undefined {
  const errorsUs: number[] = []
  const trueUs: number[] = []
  for (const pair of pairs) {
    if (pair.told === undefined || pair.true === undefined) continue
    errorsUs.push((pair.told - pair.true) / 1000)
    trueUs.push(pair.true / 1000)
  }
  const absoluteUs = errorsUs.map(Math.abs)
  const [medianUs, p99Us, maxUs] = [median(errorsUs), quantile(absoluteUs, 0.99), quantile(absoluteUs, 1)]
  const trueMedianUs = median(trueUs)
  if (medianUs === undefined || p99Us === undefined || maxUs === undefined || trueMedianUs === undefined)
    return undefined
  return { n: errorsUs.length, medianUs, p99Us, maxUs, trueUs: trueMedianUs }
}

import type { Row, SeriesReport } from '@scout/core'
import { type Shown, shownWithin } from './budget.ts'
import { createLinks, type Labels, type LinksOf } from './labels.ts'

interface Described {
  readonly name: string
  readonly help: string
  /** In the order of output. */
  readonly labels: readonly string[]
}

interface Valued extends Described {
  readonly type: 'gauge' | 'counter'
}

/** A metric of the whole row. */
interface RowMetric extends Valued {
  read(row: Row, write: WriteValue, shown: Shown): void
}

/** A metric of each series, whose labels begin with those of its link. The budget applies to it. */
export interface SeriesMetric extends Valued {
  /** Returns how many samples it has at most, which never becomes fewer for one series; default: one. */
  size?(series: SeriesReport): number
  /** `write` takes the labels after those of the link. */
  readSeries(series: SeriesReport, write: WriteValue): void
}

interface HistogramMetric extends Described {
  readonly type: 'histogram'
  /** Upper edges of the buckets. */
  readonly edges: readonly number[]
  read(row: Row, write: WriteHistogram): void
}

/** A metric and how it is read from a row; the reference page derives from it, too. */
export type Metric = RowMetric | SeriesMetric | HistogramMetric

/** Writes one sample. Only OpenMetrics asks for the exemplar. */
export type WriteValue = (value: number, labels?: Labels, exemplar?: () => Exemplar | undefined) => void

type WriteHistogram = (sample: HistogramSample, labels: Labels) => void

export interface HistogramSample {
  /** Number of values in each bucket: up to each edge and above the previous one, and last above all edges. */
  readonly counts: readonly number[]
  readonly sum: number
  /** Returns an exemplar by bucket. */
  readonly exemplars: () => ReadonlyMap<number, Exemplar>
}

/** One attempt that a sample counts. */
export interface Exemplar {
  /** With their names at most 128 characters (OpenMetrics 1.0, Exemplars). */
  readonly labels: Labels
  readonly value: number
  readonly atMs: number
}

export interface ReadingOptions {
  /** Samples about single links at most; default: any number. */
  readonly budget?: number
  /** Returns the labels of links; may remember those of earlier rows. */
  readonly linksOf?: LinksOf
}

/** Receives the samples of a metric, each with its labels: those of its link, if it has one, and its own. */
interface SampleWriter {
  value(value: number, labels: readonly Labels[], exemplar?: () => Exemplar | undefined): void
  histogram(sample: HistogramSample & Pick<HistogramMetric, 'edges'>, labels: Labels): void
}

/** Returns a function that reads the samples of any of these metrics from a row. */
export function createReading(
  metrics: readonly Metric[],
  row: Row,
  { budget = Number.POSITIVE_INFINITY, linksOf = createLinks() }: ReadingOptions,
): (metric: Metric, writer: SampleWriter) => void {
  const links = linksOf(row)
  const shown = shownWithin(budget, metrics.filter(isSeriesMetric), row.series)
  return (metric, writer) => {
    if (metric.type === 'histogram') {
      const { edges } = metric
      return metric.read(row, (sample, labels) => writer.histogram({ ...sample, edges }, labels))
    }
    if (!isSeriesMetric(metric)) {
      return metric.read(row, (value, labels = {}, exemplar) => writer.value(value, [labels], exemplar), shown)
    }
    let link: Labels = {}
    const writeOfLink: WriteValue = (value, labels, exemplar) =>
      writer.value(value, labels === undefined ? [link] : [link, labels], exemplar)
    for (const [index, series] of row.series.entries()) {
      if (!shown.has(index)) continue
      link = links[index] ?? {}
      metric.readSeries(series, writeOfLink)
    }
  }
}

/** Writes counts with the outcome as their only label. */
export function writeByOutcome(counts: Readonly<Record<string, number>>, write: WriteValue): void {
  for (const [outcome, count] of Object.entries(counts)) write(count, { outcome })
}

function isSeriesMetric(metric: Metric): metric is SeriesMetric {
  return 'readSeries' in metric
}

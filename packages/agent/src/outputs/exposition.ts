import type { Row, SeriesReport } from '@scout/core'
import { createLinkTexts, labelsText } from './labels.ts'

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
  read(row: Row, write: WriteValue): void
}

/** A metric of each series, whose labels begin with those of its link. */
interface SeriesMetric extends Valued {
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

/** Writes one sample, with the text of its labels. */
export type WriteValue = (value: number, labels?: string) => void

type WriteHistogram = (sample: HistogramSample, labels: string) => void

export interface HistogramSample {
  /** Number of values in each bucket: up to each edge and above the previous one, and last above all edges. */
  readonly counts: readonly number[]
  readonly sum: number
}

/** Returns the metrics of a row in the text format of Prometheus, encoded in blocks. `linkTextsOf` may remember labels of earlier rows. */
export function expositionOf(metrics: readonly Metric[], row: Row, linkTextsOf = createLinkTexts()): readonly Buffer[] {
  const text = createText()
  const links = linkTextsOf(row)
  for (const metric of metrics) {
    let isEmpty = true
    const { name, help, type } = metric
    readInto(metric, { row, links }, (line) => {
      if (isEmpty) text.write(`# HELP ${name} ${escapedHelp(help)}\n# TYPE ${name} ${type}\n`)
      isEmpty = false
      text.write(line)
    })
  }
  return text.end()
}

/** Writes counts with the outcome as their only label. */
export function writeByOutcome(counts: Readonly<Record<string, number>>, write: WriteValue): void {
  for (const [outcome, count] of Object.entries(counts)) write(count, labelsText(['outcome'], { outcome }))
}

interface Input {
  readonly row: Row
  /** Labels of each series. */
  readonly links: readonly string[]
}

function readInto(metric: Metric, { row, links }: Input, write: (line: string) => void): void {
  const { name } = metric
  if (metric.type === 'histogram') return readHistogram(metric, row, write)
  if ('read' in metric) {
    metric.read(row, (value, labels) => write(`${name}${labels === undefined ? '' : `{${labels}}`} ${value}\n`))
    return
  }
  let link = ''
  const writeOfLink: WriteValue = (value, labels) =>
    write(`${name}{${link}${labels === undefined ? '' : `,${labels}`}} ${value}\n`)
  for (const [index, series] of row.series.entries()) {
    link = links[index] ?? ''
    metric.readSeries(series, writeOfLink)
  }
}

function readHistogram({ name, edges, read }: HistogramMetric, row: Row, write: (line: string) => void): void {
  read(row, ({ counts, sum }, labels) => {
    let below = 0
    for (const [index, count] of counts.entries()) {
      below += count
      write(`${name}_bucket{${labels},le="${edges[index] ?? '+Inf'}"} ${below}\n`)
    }
    write(`${name}_sum{${labels}} ${sum}\n${name}_count{${labels}} ${below}\n`)
  })
}

/** Lines that are encoded together. A whole text of megabytes would be copied several times before it is encoded. */
const blockLines = 256

/** Collects text and encodes it as it grows. */
function createText() {
  const blocks: Buffer[] = []
  let block = ''
  let lines = 0
  const encode = () => {
    blocks.push(Buffer.from(block))
    block = ''
    lines = 0
  }
  return {
    write(line: string) {
      block += line
      if (++lines === blockLines) encode()
    },
    end() {
      encode()
      return blocks
    },
  }
}

function escapedHelp(text: string): string {
  return text.replaceAll('\\', String.raw`\\`).replaceAll('\n', String.raw`\n`)
}

import type { Row } from '@scout/core'

interface Described {
  readonly name: string
  readonly help: string
  /** In the order of output. */
  readonly labels: readonly string[]
}

/** A metric with one value for each set of labels. */
interface SimpleMetric extends Described {
  readonly type: 'gauge' | 'counter'
  read(row: Row): readonly Sample[]
}

interface HistogramMetric extends Described {
  readonly type: 'histogram'
  /** Upper edges of the buckets. */
  readonly edges: readonly number[]
  read(row: Row): readonly HistogramSample[]
}

/** A metric and how it is read from a row; the reference page derives from it, too. */
export type Metric = SimpleMetric | HistogramMetric

type Labels = Readonly<Record<string, string | undefined>>

export interface Sample {
  /** A label without a value is written as an empty string. */
  readonly labels: Labels
  readonly value: number
}

export interface HistogramSample {
  readonly labels: Labels
  /** Number of values in each bucket: up to each edge and above the previous one, and last above all edges. */
  readonly counts: readonly number[]
  readonly sum: number
}

/** Returns the metrics of a row in the text format of Prometheus. */
export function expositionOf(metrics: readonly Metric[], row: Row): string {
  let text = ''
  for (const metric of metrics) {
    const lines = linesOf(metric, row)
    if (lines !== '')
      text += `# HELP ${metric.name} ${escapedHelp(metric.help)}\n# TYPE ${metric.name} ${metric.type}\n${lines}`
  }
  return text
}

function linesOf(metric: Metric, row: Row): string {
  const { name, labels: names } = metric
  let text = ''
  if (metric.type !== 'histogram') {
    for (const { labels, value } of metric.read(row)) text += `${name}${braces(labelText(names, labels))} ${value}\n`
    return text
  }
  for (const { labels, counts, sum } of metric.read(row)) {
    const shared = labelText(names, labels)
    const separator = shared === '' ? '' : ','
    let below = 0
    for (const [index, count] of counts.entries()) {
      below += count
      text += `${name}_bucket{${shared}${separator}le="${metric.edges[index] ?? '+Inf'}"} ${below}\n`
    }
    text += `${name}_sum${braces(shared)} ${sum}\n${name}_count${braces(shared)} ${below}\n`
  }
  return text
}

function labelText(names: readonly string[], labels: Labels): string {
  let text = ''
  for (const name of names) text += `${text === '' ? '' : ','}${name}="${escapedValue(labels[name] ?? '')}"`
  return text
}

function braces(text: string): string {
  return text === '' ? '' : `{${text}}`
}

function escapedValue(value: string): string {
  return /[\\"\n]/.test(value)
    ? value.replaceAll('\\', String.raw`\\`).replaceAll('"', String.raw`\"`).replaceAll('\n', String.raw`\n`)
    : value
}

function escapedHelp(text: string): string {
  return text.replaceAll('\\', String.raw`\\`).replaceAll('\n', String.raw`\n`)
}

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
  read(row: Row, write: WriteValue): void
}

interface HistogramMetric extends Described {
  readonly type: 'histogram'
  /** Upper edges of the buckets. */
  readonly edges: readonly number[]
  read(row: Row, write: WriteHistogram): void
}

/** A metric and how it is read from a row; the reference page derives from it, too. */
export type Metric = SimpleMetric | HistogramMetric

/** Writes one sample; `labels` is text from `labelsText`, or several of those joined by commas. */
export type WriteValue = (value: number, labels?: string) => void

type WriteHistogram = (sample: HistogramSample, labels: string) => void

export interface HistogramSample {
  /** Number of values in each bucket: up to each edge and above the previous one, and last above all edges. */
  readonly counts: readonly number[]
  readonly sum: number
}

/** Returns the metrics of a row in the text format of Prometheus. */
export function expositionOf(metrics: readonly Metric[], row: Row): string {
  // Joined once at the end: a large text that grows line by line takes several times as long.
  const lines: string[] = []
  for (const metric of metrics) {
    const before = lines.length
    lines.push(`# HELP ${metric.name} ${escapedHelp(metric.help)}`, `# TYPE ${metric.name} ${metric.type}`)
    const first = lines.length
    readInto(lines, metric, row)
    if (lines.length === first) lines.length = before
  }
  return `${lines.join('\n')}\n`
}

function readInto(lines: string[], metric: Metric, row: Row): void {
  const { name } = metric
  if (metric.type !== 'histogram') {
    metric.read(row, (value, labels = '') => lines.push(`${name}${braces(labels)} ${value}`))
    return
  }
  const edges = metric.edges.map(String)
  metric.read(row, ({ counts, sum }, labels) => {
    let below = 0
    for (const [index, count] of counts.entries()) {
      below += count
      lines.push(`${name}_bucket{${labels},le="${edges[index] ?? '+Inf'}"} ${below}`)
    }
    lines.push(`${name}_sum{${labels}} ${sum}`, `${name}_count{${labels}} ${below}`)
  })
}

/** Values of labels; a label without a value is written as an empty string. */
type Values<Name extends string> = Readonly<Partial<Record<Name, string | undefined>>>

/** Returns labels as text, in the order of their names: `check="tcp",family="ipv4"`. */
export function labelsText<Name extends string>(names: readonly Name[], values: Values<Name>): string {
  return names.map((name) => labelText(name, values[name])).join(',')
}

/** Returns `labelsText` for many sets of labels with few different values: each label is written once. */
export function createLabelsText<Name extends string>(names: readonly Name[]): (values: Values<Name>) => string {
  const columns = names.map((name) => ({ name, texts: new Map<string | undefined, string>() }))
  return (values) =>
    columns
      .map(({ name, texts }) => {
        const value = values[name]
        const text = texts.get(value) ?? labelText(name, value)
        texts.set(value, text)
        return text
      })
      .join(',')
}

function labelText(name: string, value = ''): string {
  return `${name}="${escapedValue(value)}"`
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

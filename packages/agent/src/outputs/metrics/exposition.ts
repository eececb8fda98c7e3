import type { Row } from '@scout/core'
import type { Labels } from './labels.ts'
import { createReading, type Exemplar, type Metric, type ReadingOptions } from './reading.ts'

export const formats = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
} as const

export type Format = keyof typeof formats

/** Returns the format for a client that sends this Accept header (RFC 9110 §12.5.1): OpenMetrics if it is listed and not excluded. */
export function formatFor(accept = ''): Format {
  const isWanted = accept
    .split(',')
    .some((range) => /^\s*application\/openmetrics-text\s*(;|$)/i.test(range) && !/;\s*q=0(\.0*)?\s*(;|$)/i.test(range))
  return isWanted ? 'openmetrics' : 'text'
}

interface ExpositionOptions extends ReadingOptions {
  readonly format?: Format
}

/** Returns the metrics of a row, encoded in blocks. */
export function expositionOf(
  metrics: readonly Metric[],
  row: Row,
  { format = 'text', ...options }: ExpositionOptions = {},
): readonly Buffer[] {
  const text = createText()
  const read = createReading(metrics, row, options)
  const isOpen = format === 'openmetrics'
  for (const metric of metrics) {
    let isEmpty = true
    const { name, help, type } = metric
    // In OpenMetrics, the name of a counter is without the suffix of its samples.
    const family = isOpen && type === 'counter' ? name.replace(/_total$/, '') : name
    const write: WriteSample = (sample, exemplar) => {
      if (isEmpty) text.write(`# HELP ${family} ${escapedHelp(help)}\n# TYPE ${family} ${type}\n`)
      isEmpty = false
      text.write(isOpen && exemplar !== undefined ? `${sample}${exemplarText(exemplar())}\n` : `${sample}\n`)
    }
    read(metric, {
      value(value, labels, exemplar) {
        const all = textOf(labels)
        write(`${name}${all === '' ? '' : `{${all}}`} ${value}`, exemplar)
      },
      histogram({ edges, counts, sum, exemplars }, ofAll) {
        const labels = labelsText(ofAll)
        const found = isOpen ? exemplars() : undefined
        let below = 0
        for (const [index, count] of counts.entries()) {
          below += count
          write(`${name}_bucket{${labels},le="${edges[index] ?? '+Inf'}"} ${below}`, () => found?.get(index))
        }
        write(`${name}_sum{${labels}} ${sum}`)
        write(`${name}_count{${labels}} ${below}`)
      },
    })
  }
  if (isOpen) text.write('# EOF\n')
  return text.end()
}

/** Texts of labels. Those of links and of outcomes are the same objects in every row. */
const texts = new WeakMap<Labels, string>()

function textOf(groups: readonly Labels[]): string {
  let all = ''
  for (const labels of groups) {
    let text = texts.get(labels)
    if (text === undefined) {
      text = labelsText(labels)
      texts.set(labels, text)
    }
    all = all === '' || text === '' ? `${all}${text}` : `${all},${text}`
  }
  return all
}

/** Returns labels as text, without empty ones, which are like absent ones: `check="tcp",family="ipv4"`. */
function labelsText(labels: Labels): string {
  return Object.entries(labels)
    .flatMap(([name, value = '']) => (value === '' ? [] : `${name}="${escapedValue(value)}"`))
    .join(',')
}

function escapedValue(value: string): string {
  return /[\\"\n]/.test(value)
    ? value.replaceAll('\\', String.raw`\\`).replaceAll('"', String.raw`\"`).replaceAll('\n', String.raw`\n`)
    : value
}

type WriteSample = (sample: string, exemplar?: () => Exemplar | undefined) => void

function exemplarText(exemplar: Exemplar | undefined): string {
  return exemplar === undefined ? '' : ` # {${labelsText(exemplar.labels)}} ${exemplar.value} ${exemplar.atMs / 1000}`
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

/** OpenMetrics requires that quotes are escaped, and the older format that they are not: no help has any. */
function escapedHelp(text: string): string {
  return text.replaceAll('\\', String.raw`\\`).replaceAll('\n', String.raw`\n`)
}

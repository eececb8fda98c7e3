import { readFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import { type DiagLogger, DiagLogLevel, diag, ValueType } from '@opentelemetry/api'
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto'
import { detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources'
import {
  AggregationTemporality,
  type DataPoint,
  DataPointType,
  type Histogram,
  type MetricData,
} from '@opentelemetry/sdk-metrics'
import { printable, type Row, ScoutError, type Self } from '@scout/core'
import type { Labels } from './labels.ts'
import { createReading, type Metric } from './reading.ts'

/** Sends the metrics to an OpenTelemetry collector. */
export interface OtlpExport {
  /** Ends it with one last export, within a few seconds. */
  stop(): Promise<void>
}

export interface OtlpOptions {
  /** Full URL. */
  readonly endpoint: string
  readonly intervalMs: number
  readonly metrics: readonly Metric[]
  /** Samples about single links at most. */
  readonly budget: number
  readonly row: () => Row
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Called with why metrics do not arrive when that begins, and with undefined once they do again. */
  readonly onTrouble: (trouble: string | undefined) => void
  /** Called with a sentence about what is probably a mistake in the environment. */
  readonly onRemark: (remark: string) => void
  readonly onDefect: (error: unknown) => void
  readonly spans?: Partial<Spans>
}

interface Spans {
  /** Longest export, with retries. The exporter's own timeout applies to silence only: an answer may trickle for ever. */
  readonly exportMostMs: number
  /** Longest wait for the last export. */
  readonly lastMostMs: number
}

/** That of an export is the default of OTEL_METRIC_EXPORT_TIMEOUT. */
const usualSpans: Spans = { exportMostMs: 30_000, lastMostMs: 3_000 }

/** Longest message that is reported. The collector may have written it. */
const mostMessage = 300

/**
 * Starts to send the metrics: now, and then in intervals, one export at a time. An export that fails is not kept, because the next one has
 * later values of the same counters.
 * @throws {ScoutError} `invalid-option` if a certificate cannot be read
 */
export function startOtlpExport(options: OtlpOptions): OtlpExport {
  const { endpoint, row, onDefect } = options
  const { exportMostMs, lastMostMs } = { ...usualSpans, ...options.spans }
  const { self } = row()
  let warning: string | undefined
  const logger = createDiagLogger((text) => {
    warning = text
  })
  diag.setLogger(logger, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true })
  const agent = createHttpAgent(options)
  const exporter = new OTLPMetricExporter({
    url: endpoint,
    concurrencyLimit: 1,
    userAgent: `scout/${self.version}`,
    httpAgentOptions: () => agent,
  })
  const resource = resourceFromAttributes(attributesOf(self)).merge(detectResources({ detectors: [envDetector] }))
  if (warning !== undefined) options.onRemark(warning)

  // A query may contain a token.
  const shownEndpoint = endpoint.replace(/\?.*/, '')
  let isTroubled = false
  let isStopped = false
  const note = (trouble: string | undefined) => {
    if (isStopped || (trouble !== undefined) === isTroubled) return
    isTroubled = trouble !== undefined
    options.onTrouble(
      trouble === undefined ? undefined : `cannot send metrics to ${shownEndpoint}: ${shortened(trouble)}`,
    )
  }

  const send = async () => {
    const scopeMetrics = [{ scope: { name: 'scout', version: self.version }, metrics: dataOf(options) }]
    warning = undefined
    let isCut = false
    const cut = setInterval(() => {
      isCut = true
      agent.destroy()
    }, exportMostMs)
    const error = await new Promise<Error | undefined>((resolve) => {
      exporter.export({ resource, scopeMetrics }, (result) => resolve(result.error))
    })
    clearInterval(cut)
    if (isCut) note(`it took more than ${exportMostMs / 1000} s`)
    else note(error === undefined ? warning : messageOf(error))
  }

  let sending: Promise<void> | undefined
  const round = () => {
    sending ??= send()
      .catch(onDefect)
      .finally(() => {
        sending = undefined
      })
  }
  const timer = setInterval(round, options.intervalMs)
  round()
  return {
    async stop() {
      clearInterval(timer)
      const last = async () => {
        await sending
        round()
        await sending
      }
      const isLate = await Promise.race([last(), sleep(lastMostMs, true, { ref: false })])
      if (isLate === true) note(`the last export took more than ${lastMostMs / 1000} s`)
      isStopped = true
      agent.destroy()
    },
  }
}

/** Returns all metrics of the row, as they are at this moment. */
function dataOf({ metrics, budget, row }: OtlpOptions): MetricData[] {
  const now = row()
  const read = createReading(metrics, now, { budget })
  const times = { startTime: hrTimeOf(now.startedAtMs), endTime: hrTimeOf(now.takenAtMs) }
  return metrics.flatMap((metric): readonly MetricData[] => {
    const values: DataPoint<number>[] = []
    const histograms: DataPoint<Histogram>[] = []
    read(metric, {
      value: (value, labels) => void values.push({ ...times, attributes: attributesIn(labels), value }),
      histogram({ edges, counts, sum }, labels) {
        const buckets = { boundaries: [...edges], counts: [...counts] }
        const count = counts.reduce((total, one) => total + one, 0)
        histograms.push({ ...times, attributes: attributesIn([labels]), value: { buckets, sum, count } })
      },
    })
    if (values.length + histograms.length === 0) return []
    const { name, help: description, type } = metric
    const described = {
      descriptor: { name, description, unit: unitOf(name), valueType: ValueType.DOUBLE },
      aggregationTemporality: AggregationTemporality.CUMULATIVE,
    }
    switch (type) {
      case 'counter':
        return [{ ...described, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints: values }]
      case 'gauge':
        return [{ ...described, dataPointType: DataPointType.GAUGE, dataPoints: values }]
      case 'histogram':
        return [{ ...described, dataPointType: DataPointType.HISTOGRAM, dataPoints: histograms }]
    }
  })
}

/** Returns the labels apart from empty ones: to Prometheus, those are absent. */
function attributesIn(groups: readonly Labels[]): Record<string, string> {
  const attributes: Record<string, string> = {}
  for (const labels of groups) {
    for (const [name, value = ''] of Object.entries(labels)) if (value !== '') attributes[name] = value
  }
  return attributes
}

/** Returns the unit (UCUM) that a name ends with. Without one, a translation to Prometheus adds nothing to the name. */
function unitOf(name: string): string {
  const [, unit = ''] = /_(seconds|bytes)(?:_total)?$/.exec(name) ?? []
  return unit === 'seconds' ? 's' : unit === 'bytes' ? 'By' : ''
}

function hrTimeOf(ms: number): [number, number] {
  const seconds = Math.floor(ms / 1000)
  return [seconds, Math.round((ms - seconds * 1000) * 1e6)]
}

/** Returns the attributes of this agent, by the names of OpenTelemetry's conventions for services and Kubernetes. */
function attributesOf({ name, namespace = '', node, version }: Self) {
  const service = { 'service.name': 'scout', 'service.version': version }
  if (namespace === '') return { ...service, 'service.instance.id': name, 'host.name': node }
  return {
    ...service,
    'service.instance.id': `${namespace}.${name}`,
    'k8s.namespace.name': namespace,
    'k8s.pod.name': name,
    'k8s.node.name': node,
  }
}

/** Creates the agent that keeps the connection. The exporter would not close one on which an answer never ends. */
function createHttpAgent({ endpoint, environment }: OtlpOptions): http.Agent {
  const contentOf = (name: string) => {
    const given = [`OTEL_EXPORTER_OTLP_METRICS_${name}`, `OTEL_EXPORTER_OTLP_${name}`].find(
      (variable) => (environment[variable] ?? '') !== '',
    )
    if (given === undefined) return undefined
    try {
      return readFileSync(environment[given] ?? '')
    } catch (cause) {
      const message = `cannot read the file of ${given}: ${cause instanceof Error ? cause.message : String(cause)}`
      throw new ScoutError('invalid-option', message, { cause })
    }
  }
  if (endpoint.startsWith('http:')) return new http.Agent({ keepAlive: true })
  const ca = contentOf('CERTIFICATE')
  return new https.Agent({
    keepAlive: true,
    ...(ca === undefined ? {} : { ca }),
    cert: contentOf('CLIENT_CERTIFICATE'),
    key: contentOf('CLIENT_KEY'),
  })
}

/** Returns a logger for the exporter, which reports there what the collector rejects, and invalid variables. */
function createDiagLogger(warn: (text: string) => void): DiagLogger {
  const write = (...parts: readonly unknown[]) =>
    warn(
      parts.flatMap((part) => (part instanceof Error ? part.message : typeof part === 'string' ? part : [])).join(' '),
    )
  const ignore = () => {}
  return { error: write, warn: write, info: ignore, debug: ignore, verbose: ignore }
}

function messageOf(error: Error): string {
  // The error of a name with several addresses has no message.
  const code = 'code' in error ? String(error.code) : ''
  return [/^\d+$/.test(code) ? code : '', error.message || code].filter(Boolean).join(' ')
}

function shortened(text: string): string {
  return printable(text.slice(0, mostMessage))
}

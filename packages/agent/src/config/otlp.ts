import { ScoutError } from '@scout/core'
import { leastExportIntervalMs, type Settings } from './schema.ts'
import { type Environment, originText, type Written } from './sources.ts'

/** Where and how often metrics are sent by OTLP; without an endpoint they are not. */
export interface Otlp {
  readonly endpoint?: string
  readonly intervalMs: number
}

const usualIntervalMs = 60_000

/** A full URL. This variable and the others are those of every OpenTelemetry SDK (OpenTelemetry specification, OTLP Exporter Configuration). */
const endpointOfMetrics = 'OTEL_EXPORTER_OTLP_METRICS_ENDPOINT'
const endpointOfAll = 'OTEL_EXPORTER_OTLP_ENDPOINT'
/** In milliseconds. */
const interval = 'OTEL_METRIC_EXPORT_INTERVAL'

/**
 * Returns the settings, and for those that are not given what the variables of OpenTelemetry say.
 * @throws {ScoutError} `invalid-option`
 */
export function otlpOf({ otlp }: Settings, written: Written, environment: Environment): Otlp {
  const { origins } = written
  const given = (variable: string, setting: string) => {
    const text = environment[variable] ?? ''
    if (text === '' || origins.has(setting)) return undefined
    origins.set(setting, variable)
    return text
  }
  const intervalMs = otlp.intervalMs ?? numberOf(given(interval, 'otlp.interval')) ?? usualIntervalMs
  const ofMetrics = given(endpointOfMetrics, 'otlp.endpoint')
  if (ofMetrics !== undefined) return { endpoint: urlOf(ofMetrics, endpointOfMetrics).href, intervalMs }
  const endpoint = otlp.endpoint ?? given(endpointOfAll, 'otlp.endpoint')
  if (endpoint === undefined) return { intervalMs }
  const url = urlOf(endpoint, `setting otlp.endpoint${originText(['otlp', 'endpoint'], written)}`)
  url.pathname = url.pathname.replace(/(\/v1\/metrics)?\/*$/, '/v1/metrics')
  return { endpoint: url.href, intervalMs }
}

/** Returns a sentence if the endpoint looks like one for gRPC. */
export function grpcRemarks({ endpoint }: Otlp): readonly string[] {
  if (endpoint === undefined) return []
  const { port, origin } = new URL(endpoint)
  if (port !== '4317') return []
  // A path or query may contain a token.
  return [
    `metrics are sent to ${origin} over HTTP, but port 4317 is that of gRPC: collectors usually serve HTTP on 4318`,
  ]
}

function urlOf(text: string, subject: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  // Such a text is not shown: it may contain a password.
  if (/@/.test(text))
    throw new ScoutError('invalid-option', `${subject} contains credentials: send them in OTEL_EXPORTER_OTLP_HEADERS`)
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw new ScoutError(
      'invalid-option',
      `${subject}: "${text}" is not an http or https URL: write it as http://otel-collector:4318`,
    )
  return url
}

function numberOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < leastExportIntervalMs)
    throw new ScoutError(
      'invalid-option',
      `${interval}: "${text}" is not a number of milliseconds of at least ${leastExportIntervalMs}`,
    )
  return value
}

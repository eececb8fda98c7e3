import { createRuntimeMetrics, labelMeanings, metrics } from '@scout/agent/metrics'
import { code, table } from './markdown.mjs'

export function metricsPage() {
  return `<!-- Written by npm run docs, from the table of metrics. -->

# Metrics of the agent

At \`/metrics\` of the console, in the text format of Prometheus or as OpenMetrics, which adds exemplars: to failures of a link the target and
the phase, to durations between zones the node that was probed. A label that does not apply is left out. Rules and alerts made of these metrics
are in \`deploy/prometheus\`, dashboards in \`deploy/grafana\`; the chart installs both, and a PodMonitor, by its values \`monitoring\`.

The setting \`otlp.endpoint\` (\`http://otel-collector:4318\`) or OTEL_EXPORTER_OTLP_ENDPOINT also sends them to an OpenTelemetry collector, whose
receiver \`otlp\` needs the protocol \`http\`: the same names, values and labels, and no exemplars. Credentials belong in
OTEL_EXPORTER_OTLP_HEADERS, which the chart sets from a Secret (\`otlpHeadersSecret\`).

${tableOf(metrics)}
Metrics named \`scout_probe_…\` that have the label \`target_node\` are about single links, and may be many. The setting \`metrics.series\` is
their budget. Beyond it, half of them are for a fixed sample of the checks: the first check of every link, then the second, and so on. The
other half is for checks that fail, or failed in the last ten minutes, the longest failing first. \`scout_series_budget_withheld\` counts the
others. A counter that appears with a failure does not begin at 0; \`scout_zone_attempts_total\` counts all attempts from the start.

Durations between zones are most of what is exposed, so they have no labels that their check implies. With such a label, they are found by that
check: \`scout_probe_duration_seconds_bucket * on (instance, check) group_left (protocol, vantage) group by (instance, check, protocol, vantage)
(scout_zone_attempts_total)\`.

## Of the runtime

With the setting \`metrics.runtime\`:

${tableOf(createRuntimeMetrics())}
## Labels

${table(
  ['label', 'meaning'],
  Object.entries(labelMeanings).map(([label, meaning]) => [code(label), meaning]),
)}`
}

/** @param {readonly { name: string, type: string, labels: readonly string[], help: string }[]} described */
function tableOf(described) {
  return table(
    ['metric', 'type', 'labels', 'meaning'],
    described.map(({ name, type, labels, help }) => [code(name), type, labels.map(code).join(', '), help]),
  )
}

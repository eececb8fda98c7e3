import { labelMeanings, metrics } from '@scout/agent/metrics'
import { code, table } from './markdown.mjs'

export function metricsPage() {
  return `<!-- Written by npm run docs, from the table of metrics. -->

# Metrics of the agent

At \`/metrics\` of the console. There are also the usual metrics of the process (\`process_…\`, \`nodejs_…\`). A label that does not apply is
empty.

${table(
  ['metric', 'type', 'labels', 'meaning'],
  metrics.map(({ name, type, labels, help }) => [code(name), type, labels.map(code).join(', '), help]),
)}
## Labels

${table(
  ['label', 'meaning'],
  Object.entries(labelMeanings).map(([label, meaning]) => [code(label), meaning]),
)}`
}

import { awaited, causes, prices, unexplained } from '@scout/core'
import { code, table } from './markdown.mjs'

/** @typedef {import('@scout/core').Cause} Cause */

export function causesPage() {
  const all = [...causes, unexplained].toSorted((a, b) => (a.name < b.name ? -1 : 1))
  return `<!-- Written by npm run docs, from the tables of causes. -->

# Causes

Every incident has one of these names. \`scout-probe explain CAUSE\` prints its section. A cause that waits for evidence has its table already,
and is named once a check yields that evidence. Where two causes remain possible, the summary gives both, and the incident says what would
tell them apart.

${table(
  ['cause', 'severity', 'means'],
  all.map(({ name, severity, means }) => [`[${name}](#${name})`, severity, means]),
)}
${all.map(section).join('\n')}`
}

/** @param {Cause} cause */
function section({ name, severity, scopes, means, shows, usually, remedy, waitsFor }) {
  const places = Object.keys(prices).filter((kind) => scopes.some((scope) => scope === kind))
  return `## ${name}

${means}

- **Shows**: ${shows}
- **Places**: ${places.map(code).join(', ')}; ${severity}
${waitsFor === undefined ? '' : `- **Waits for**: ${awaited[waitsFor]}\n`}
Usual reasons:

${usually.map((reason) => `- ${reason}`).join('\n')}

${remedy}
`
}

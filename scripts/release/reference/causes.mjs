import { awaited, causes, prices, proofs, unexplained } from '@scout/core'
import { code, table } from './markdown.mjs'

/** @typedef {import('@scout/core').Cause} Cause */

export function causesPage() {
  const all = [...causes, unexplained].toSorted((a, b) => (a.name < b.name ? -1 : 1))
  return `<!-- Written by npm run docs, from the tables of causes. -->

# Causes

Every incident has one of these names. \`scout-probe explain CAUSE\` prints its section. A cause that waits for evidence has its table already,
and is named once a check yields that evidence. Where two causes remain possible, the summary gives both, and the incident says what would
tell them apart. What agents collect, they collect once for each incident, from a few of its links; it joins the evidence of the incident.

${table(
  ['cause', 'severity', 'means'],
  all.map(({ name, severity, means }) => [`[${name}](#${name})`, severity, means]),
)}
${all.map(section).join('\n')}`
}

/** @param {Cause} cause */
function section({ name, severity, scopes, means, shows, usually, remedy, waitsFor, proofs: collected = [] }) {
  const places = Object.keys(prices).filter((kind) => scopes.some((scope) => scope === kind))
  return `## ${name}

${means}

- **Shows**: ${shows}
- **Places**: ${places.map(code).join(', ')}; ${severity}
${waitsFor === undefined ? '' : `- **Waits for**: ${awaited[waitsFor]}\n`}${collected.map((proof) => `- **Collected** (${code(proof)}): agents ${proofs[proof].summary}\n`).join('')}
Usual reasons:

${usually.map((reason) => `- ${reason}`).join('\n')}

${remedy}
`
}

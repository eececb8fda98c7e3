import { openApi, operations } from '@scout/agent/api'
import { code, table } from './markdown.mjs'

/** @typedef {{ readonly type?: string, readonly description?: string, readonly enum?: readonly unknown[], readonly properties?: Readonly<Record<string, Schema>>, readonly required?: readonly string[], readonly items?: Schema }} Schema */

export function apiPage() {
  const { paths } = openApi('')
  return `<!-- Written by npm run docs, from the schemas of the API. -->

# API of the agent

Read-only JSON below \`/api/v1\` of the console; nothing in it can start a probe. \`/api/v1/openapi.json\` describes it for programs. Documents
have an ETag, which \`If-None-Match\` may name, and are compressed for those who accept gzip. With the setting \`console.token\`, requests need
\`Authorization: Bearer TOKEN\`. Times that end in \`Ms\` are wall clock in milliseconds since 1970, durations that end in \`Ns\` nanoseconds.

${operations.map((operation) => section(operation, schemaOf(paths[operation.path]))).join('\n')}`
}

/**
 * @param {typeof operations[number]} operation
 * @param {Schema} schema
 */
function section({ path, summary, parameters = [] }, { properties = {}, required = [] }) {
  const asked = parameters.map(({ name, schema }) => [code(name), schema.description ?? ''])
  return `## ${code(path)}

Returns ${summary}.

${asked.length === 0 ? '' : `${table(['parameter', 'meaning'], asked)}\n`}${table(
  ['field', 'type', 'meaning'],
  Object.entries(properties).map(([name, field]) => [
    `${code(name)}${required.includes(name) ? '' : ' (optional)'}`,
    typeText(field),
    field.description ?? '',
  ]),
)}`
}

/** @param {any} path @returns {Schema} */
function schemaOf(path) {
  const [body] = Object.values(path.get.responses[200].content)
  return body.schema
}

/** @param {Schema} schema @returns {string} */
function typeText({ type = 'any', items, properties }) {
  if (items !== undefined) return `list of ${typeText(items)}`
  if (properties === undefined) return type
  return `{ ${Object.keys(properties).join(', ')} }`
}

// npm run docs: writes docs/reference/probes.md from the registry of probes. With --check it writes nothing and fails where the
// copy in the repository is stale.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { root } from '../command.mjs'
import { prepare } from '../prepare.mjs'

/** @typedef {import('@scout/core').Probe} Probe */
/** @typedef {NonNullable<ReturnType<Probe['options']['toJSONSchema']>['properties']>[string]} Property */

const path = 'docs/reference/probes.md'

await prepare('start')

// Only now is there a build to import.
const { commonOptions, probes, reasons, writtenName } = await import('@scout/core')

/** @satisfies {Record<import('@scout/core').TargetForm, string>} */
const targetForms = {
  host: 'an address or a name: `10.244.1.31`, `fd00::1`, `scout.default.svc`',
  'host:port': 'an address or a name, and a port: `10.244.1.31:8081`, `[fd00::1]:8081`',
  url: 'a URL: `http://10.244.1.31:8081/`, `https://[fd00::1]:6443/livez`; without a scheme it is http',
  'name@server':
    'a name, and the server to ask: `kubernetes.default.svc@10.96.0.10`, `example@[fd00::a]:5353`; without a server, the first of /etc/resolv.conf',
}

const written = reference()
if (process.argv.includes('--check')) {
  if (read(join(root, path)) !== written) {
    console.error(`${path} is stale: npm run docs`)
    process.exitCode = 1
  }
} else {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), written)
}

function reference() {
  const all = /** @type {readonly Probe[]} */ (Object.values(probes))
  return `<!-- Written by npm run docs, from the registry of probes. -->

# Probes

Each makes one attempt at a time and returns a result: what it learned, or the reason why it failed, with the phases it passed
through. Phases are disjoint, in nanoseconds, and a success takes as long as all of them together. \`resolve\` comes first where
the target is a name.

Options are named as in code. In configuration and on the command line a duration is written with its unit and the ending \`Ms\` is
left out: \`timeoutMs\` is \`timeout: 3.5s\` and \`--timeout 3.5s\`.

${all.map((probe) => `- [${probe.protocol}](#${probe.protocol}): ${probe.summary}`).join('\n')}

${all.map(section).join('\n')}
## Options of every probe

${optionTable(commonOptions)}
## Reasons of failure

${table(
  ['reason', 'meaning', 'blames'],
  Object.entries(reasons).map(([reason, { says, blames }]) => [`\`${reason}\``, says, blames]),
)}`
}

/** @param {Probe} probe */
function section({ protocol, summary, targetForm, phases, options }) {
  const hasOptions = Object.keys(options.shape).length > 0
  return `## ${protocol}

${capitalised(summary)}.

Target: ${targetForms[targetForm]}.

${table(
  ['phase', 'lasts from … to'],
  Object.entries(phases).map(([phase, meaning]) => [`\`${phase}\``, meaning]),
)}
${hasOptions ? optionTable(options) : 'No options of its own.\n'}`
}

/** @param {Probe['options']} schema */
function optionTable(schema) {
  const { properties = {} } = schema.toJSONSchema({ io: 'input' })
  return table(
    ['option', 'type', 'default', 'meaning'],
    Object.entries(properties).map(([name, property]) => {
      if (typeof property === 'boolean' || property.description === undefined)
        throw new Error(`option ${name} has no meaning`)
      const inWords = writtenName(name) === name ? '' : ` (\`${writtenName(name)}\`)`
      return [
        `\`${name}\`${inWords}`,
        typeOf(property),
        `\`${JSON.stringify(property.default)}\``,
        property.description,
      ]
    }),
  )
}

/**
 * @param {Exclude<Property, boolean>} property
 * @returns {string}
 */
function typeOf({ type, enum: choices, minimum, exclusiveMinimum, maximum }) {
  if (choices !== undefined) return choices.map((choice) => `\`${choice}\``).join(', ')
  if (type === 'object') return 'text by name'
  if (type === 'string') return 'text'
  if (type !== 'number' && type !== 'integer') return String(type)
  const low = minimum ?? (exclusiveMinimum === undefined ? undefined : `more than ${exclusiveMinimum}`)
  return [type, [low, maximum].filter((bound) => bound !== undefined).join(' to ')].filter(Boolean).join(', ')
}

/**
 * @param {readonly string[]} head
 * @param {readonly (readonly string[])[]} rows
 */
function table(head, rows) {
  const line = (/** @type {readonly string[]} */ cells) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('')
}

/** @param {string} sentence */
function capitalised(sentence) {
  return sentence.slice(0, 1).toUpperCase() + sentence.slice(1)
}

/** @param {string} file */
function read(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined // not written yet is stale, too
  }
}

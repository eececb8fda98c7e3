import { commonOptions, probes, reasons, settingsOf, targetForms } from '@scout/core'
import { code, defaultOf, table, typeOf } from './markdown.mjs'

/** @typedef {import('@scout/core').Probe} Probe */

export function probesPage() {
  const all = /** @type {readonly Probe[]} */ (Object.values(probes))
  return `<!-- Written by npm run docs, from the registry of probes. -->

# Probes

Each probe makes one attempt at a time and returns a result: its details, or the reason of its failure, with the phases it passed
through. Phases are disjoint, in nanoseconds, and the duration of a success is their sum. \`resolve\` comes first if the target is a
name.

Options are named as in code. In configuration and on the command line, a duration is written with its unit and the ending \`Ms\` is
omitted: \`timeoutMs\` is \`timeout: 3.5s\` and \`--timeout 3.5s\`.

${all.map((probe) => `- [${probe.protocol}](#${probe.protocol}): ${probe.summary}`).join('\n')}

${all.map(section).join('\n')}
## Options of every probe

${optionTable(commonOptions)}
## Reasons of failure

${table(
  ['reason', 'meaning', 'blames'],
  Object.entries(reasons).map(([reason, { says, blames }]) => [code(reason), says, blames]),
)}`
}

/** @param {Probe} probe */
function section({ protocol, summary, targetForm, phases, options, timeoutMs }) {
  const { about, examples } = targetForms[targetForm]
  const hasOptions = Object.keys(options.shape).length > 0
  return `## ${protocol}

${summary.slice(0, 1).toUpperCase() + summary.slice(1)}.

Target: ${about}; for example ${examples.map(code).join(' or ')}.${timeoutMs === undefined ? '' : ` Default timeout: ${timeoutMs / 1000} s.`}

${table(
  ['phase', 'lasts from … to'],
  Object.entries(phases).map(([phase, meaning]) => [code(phase), meaning]),
)}
${hasOptions ? optionTable(options) : 'No other options.\n'}`
}

/** @param {Probe['options']} schema */
function optionTable(schema) {
  return table(
    ['option', 'type', 'default', 'meaning'],
    settingsOf(schema).map((setting) => {
      const { key, name, description } = setting
      if (description === '') throw new Error(`option ${key} has no description`)
      return [
        name === key ? code(key) : `${code(key)} (${code(name)})`,
        typeOf(setting),
        defaultOf(setting),
        description,
      ]
    }),
  )
}

import type { Fault } from '../faults/fault.ts'
import { describeOptions } from '../options.ts'

/** The catalogue as a person reads it on a terminal. */
export function catalogue(faults: readonly Fault[]): string {
  return faults.map(entry).join('\n')
}

/** The catalogue as the table of the README. */
export function catalogueMarkdown(faults: readonly Fault[]): string {
  const rows = faults.map(({ name, summary, signature, parameters }) => {
    const defaults = describeOptions(parameters).map((option) => `${option.name}=${option.defaultText}`)
    return `| \`${name}\` | ${summary} | ${signature} | ${defaults.length === 0 ? '' : `\`${defaults.join(' ')}\``} |`
  })
  return ['| fault | what is broken | what clients see | parameters |', '|---|---|---|---|', ...rows, ''].join('\n')
}

function entry({ name, summary, signature, parameters, needs = {} }: Fault): string {
  const options = describeOptions(parameters).map((option) => {
    const choices = option.choices.length > 0 ? ` (${option.choices.join(', ')})` : ''
    return `    ${`${option.name}=${option.defaultText}`.padEnd(20)} ${option.description}${choices}`
  })
  const wanted = Object.entries(needs).map(([what, value]) => `${what} ${value}`)
  return [
    name,
    `  ${summary}`,
    `  seen: ${signature}`,
    ...(wanted.length > 0 ? [`  needs: ${wanted.join(', ')}`] : []),
    ...options,
    '',
  ].join('\n')
}

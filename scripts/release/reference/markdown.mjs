/** @typedef {import('@scout/core').Setting} Setting */

/**
 * @param {readonly string[]} head
 * @param {readonly (readonly string[])[]} rows
 */
export function table(head, rows) {
  const line = (/** @type {readonly string[]} */ cells) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('')
}

/** @param {string} text */
export function code(text) {
  return `\`${text}\``
}

const kinds = {
  text: 'text',
  number: 'number',
  integer: 'whole number',
  duration: 'duration',
  boolean: '`true` or `false`',
  choice: '',
  structure: 'see below',
}

const manners = {
  one: (/** @type {string} */ kind) => kind,
  list: (/** @type {string} */ kind) => `list: ${kind}`,
  pairs: (/** @type {string} */ kind) => `named values: ${kind}`,
}

/** @param {Setting} setting */
export function typeOf({ kind, takes, choices, range }) {
  const each = choices === undefined ? kinds[kind] : choices.map(code).join(', ')
  return manners[takes](range === '' ? each : `${each}, ${range}`)
}

/** @param {Setting} setting */
export function defaultOf({ default: preset, defaultText }) {
  if (defaultText === undefined) return ''
  return preset === undefined ? defaultText : code(defaultText)
}

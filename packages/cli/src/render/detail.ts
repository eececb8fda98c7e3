import { formatDurationNs, formatRate, printable } from '@scout/core'

/** Detail of a result as text. */
export interface DetailText {
  /** Bytes received, if the probe counts them. */
  readonly bytes: number | undefined
  /** `status-code=200`, `truncated`. */
  readonly facts: readonly string[]
  /** One line for each list item, and longer texts unchanged. */
  readonly lines: readonly string[]
}

/**
 * Renders any probe's detail by the shape of its values, so that a new probe needs no code here. The first `…Bytes` leads the line,
 * except the segment size of a connection. Booleans show when true, losses if there are any, lists show their length and items, and
 * text longer than a word gets separate lines. `sequence` is in --json only, because the line has its own number.
 */
export function detailText(detail: unknown): DetailText {
  const facts: string[] = []
  const lines: string[] = []
  let bytes: number | undefined
  const entries: readonly (readonly [string, unknown])[] =
    typeof detail === 'object' && detail !== null ? Object.entries(detail) : []
  for (const [key, value] of entries) {
    if (key === 'sequence' || value === undefined || value === false) continue
    if (value === 0 && key.startsWith('lost')) continue
    if (bytes === undefined && /(?<!^segment)Bytes$/.test(key) && typeof value === 'number') bytes = value
    else if (key.endsWith('Ns') && typeof value === 'number')
      facts.push(`${words(key.slice(0, -2))}=${formatDurationNs(value)}`)
    else if (key.endsWith('BitsPerSecond') && typeof value === 'number')
      facts.push(`${words(key.slice(0, -'BitsPerSecond'.length))}-rate=${formatRate(value)}`)
    else if (value === true) facts.push(words(key.replace(/^(is|has)(?=[A-Z])/, '')))
    else if (Array.isArray(value)) {
      facts.push(`${words(key)}=${value.length}`)
      lines.push(...value.map(itemText))
    } else if (typeof value === 'string' && !isWord(value)) lines.push(...value.trimEnd().split('\n').map(printable))
    else facts.push(`${words(key)}=${valueText(value)}`)
  }
  return { bytes, facts, lines }
}

function itemText(item: unknown): string {
  if (typeof item !== 'object' || item === null) return valueText(item)
  const entries: readonly (readonly [string, unknown])[] = Object.entries(item)
  const textOf = (key: string, value: unknown) =>
    key.endsWith('Ns') && typeof value === 'number' ? formatDurationNs(value) : valueText(value)
  return entries.map(([key, value]) => textOf(key, value)).join(' ')
}

function valueText(value: unknown): string {
  return printable(typeof value === 'string' ? value : JSON.stringify(value))
}

function isWord(text: string): boolean {
  return /^\S{1,40}$/.test(text)
}

function words(key: string): string {
  return key.replace(/(?<=.)[A-Z]/g, (letter) => `-${letter}`).toLowerCase()
}

import { stripVTControlCharacters } from 'node:util'

/** Folds a line between words at `width` and indents the continuation; a longer word stays whole. */
export function fold(text: string, width: number, indent = ''): readonly string[] {
  const [first = '', ...words] = text.split(/(?<=\S) /)
  const lines: string[] = []
  let line = first
  for (const word of words) {
    if (shownLength(line) + 1 + shownLength(word) <= width) line += ` ${word}`
    else {
      lines.push(line)
      line = `${indent}${word}`
    }
  }
  return [...lines, line]
}

/** Returns the length of a text without its escape sequences. */
export function shownLength(text: string): number {
  return stripVTControlCharacters(text).length
}

/** Returns `0.213 ms`: always the same unit, so that times in a column compare at a glance. */
export function formatMilliseconds(ns: number): string {
  return `${bareMilliseconds(ns)} ms`
}

export function bareMilliseconds(ns: number): string {
  return (ns / 1e6).toFixed(3)
}

const units = [
  { name: 's', ns: 1e9 },
  { name: 'ms', ns: 1e6 },
  { name: 'µs', ns: 1e3 },
] as const

/** Returns `41.2 µs` or `1.23 ms`: a duration with three significant digits. */
export function roundedDuration(ns: number): string {
  // 999.6 µs are 1.00 ms.
  const { name, ns: unitNs } = units.find((unit) => ns >= 0.9995 * unit.ns) ?? { name: 'µs', ns: 1e3 }
  return `${threeDigits(ns / unitNs)} ${name}`
}

/** Returns a share of 1 as `33.3 %`. */
export function roundedPercent(ratio: number): string {
  return `${Number((ratio * 100).toPrecision(3))} %`
}

function threeDigits(value: number): string {
  return value >= 999.5 ? String(Math.round(value)) : value.toPrecision(3)
}

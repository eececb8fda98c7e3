import { stripVTControlCharacters } from 'node:util'

/** Breaks a line between words where it exceeds `width`, and indents what follows; a word longer than that stays whole. */
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

function shownLength(text: string): number {
  return stripVTControlCharacters(text).length
}

/** Replaces control characters in text from others, which a terminal would obey. */
export function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '\u{fffd}')
}

/** `0.213 ms`: one unit throughout, so that a column of times can be compared at a glance. */
export function formatMilliseconds(ns: number): string {
  return `${bareMilliseconds(ns)} ms`
}

export function bareMilliseconds(ns: number): string {
  return (ns / 1e6).toFixed(3)
}

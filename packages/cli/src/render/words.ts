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

import { printable } from '@scout/core'
import { fold } from './words.ts'

export interface Cell {
  readonly text: string
  /** Applied after the width is known. */
  readonly paint?: (text: string) => string
}

export interface Column {
  readonly title: string
  readonly align: 'left' | 'right'
}

const gap = '  '

/**
 * Renders rows under their titles, each column as wide as its widest cell. The last column is folded at `maxWidth`, with a hanging indent;
 * without `maxWidth` each row is one line of any length.
 */
export function renderTable(columns: readonly Column[], rows: readonly (readonly Cell[])[], maxWidth?: number): string {
  const all = [columns.map(({ title }) => ({ text: title })), ...rows.map((row) => row.map(printableCell))]
  const widths = columns.map((_, index) => Math.max(...all.map((row) => row[index]?.text.length ?? 0)))
  const indent = widths.slice(0, -1).reduce((sum, width) => sum + width + gap.length, 0)
  return all
    .flatMap((row) => renderRow(row))
    .map((line) => `${line.trimEnd()}\n`)
    .join('')

  function renderRow(row: readonly Cell[]): readonly string[] {
    const last = row.at(-1) ?? { text: '' }
    const start = row
      .slice(0, -1)
      .map((cell, index) => painted(cell, pad(cell.text, widths[index] ?? 0, columns[index])) + gap)
    const folded = maxWidth === undefined ? [last.text] : fold(last.text, Math.max(20, maxWidth - indent))
    return folded.map((line, index) => (index === 0 ? start.join('') : ' '.repeat(indent)) + painted(last, line))
  }
}

/** Names and messages of others are in cells. */
export function printableCell(cell: Cell): Cell {
  return { ...cell, text: printable(cell.text) }
}

function painted({ paint }: Cell, text: string): string {
  return paint === undefined ? text : paint(text)
}

function pad(text: string, width: number, column: Column | undefined): string {
  return column?.align === 'right' ? text.padStart(width) : text.padEnd(width)
}

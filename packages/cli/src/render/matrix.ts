import { type Cell, printableCell } from './table.ts'
import { fold } from './words.ts'

export interface Matrix {
  readonly corner: string
  readonly titles: readonly string[]
  readonly rows: readonly { readonly title: string; readonly cells: readonly Cell[] }[]
}

const gap = '  '

interface Room {
  readonly maxWidth: number
  /** Whether cells may be folded between words. */
  readonly mayFold?: boolean
}

/** Renders rows and columns with titles; returns undefined if the width is too small. */
export function renderMatrix({ corner, titles, rows }: Matrix, room: Room): string | undefined {
  const lines: readonly (readonly Cell[])[] = [
    [{ text: corner }, ...titles.map((text) => ({ text }))],
    ...rows.map(({ title, cells }) => [{ text: title }, ...cells]),
  ].map((cells) => cells.map(printableCell))
  const widths = widthsOf(lines, room)
  return widths && lines.flatMap((cells) => renderRow(cells, widths)).join('')
}

/** Returns the width of each column: that of its longest word, plus a share of the spare width. */
function widthsOf(lines: readonly (readonly Cell[])[], { maxWidth, mayFold = true }: Room) {
  const columns = lines[0]?.map((_, column) => lines.map((cells) => cells[column]?.text ?? '')) ?? []
  const wanted = columns.map((texts) => Math.max(...texts.map((text) => text.length)))
  const widths = columns.map((texts, column) =>
    // Row titles are not folded.
    column === 0 || !mayFold
      ? (wanted[column] ?? 0)
      : Math.max(...texts.flatMap((text) => text.split(' ').map((word) => word.length))),
  )
  let spare = maxWidth - widths.reduce((sum, width) => sum + width + gap.length, -gap.length)
  if (spare < 0) return undefined
  const wishes = widths.map((width, column) => ({ column, more: (wanted[column] ?? 0) - width }))
  // Smallest need first, so that as few columns as possible are folded.
  for (const [index, { column, more }] of wishes.toSorted((a, b) => a.more - b.more).entries()) {
    const given = Math.min(more, Math.floor(spare / (wishes.length - index)))
    widths[column] = (widths[column] ?? 0) + given
    spare -= given
  }
  return widths
}

function renderRow(cells: readonly Cell[], widths: readonly number[]): readonly string[] {
  const folded = cells.map(({ text }, column) => fold(text, widths[column] ?? 0))
  const height = Math.max(...folded.map((lines) => lines.length))
  return Array.from({ length: height }, (_, line) => {
    const parts = cells.map(({ paint = String }, column) => {
      const text = folded[column]?.[line] ?? ''
      const isLast = column === cells.length - 1
      return `${paint(text)}${isLast ? '' : ' '.repeat((widths[column] ?? 0) - text.length)}`
    })
    return `${parts.join(gap).trimEnd()}\n`
  })
}

/** A table in Markdown, its columns aligned so that it reads as well on a terminal. Columns after the first `textColumns` are numbers. */
export function formatTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  { textColumns }: { readonly textColumns: number },
): string {
  const widths = head.map((name, column) => Math.max(name.length, 3, ...rows.map((row) => row[column]?.length ?? 0)))
  const line = (cells: readonly string[]) => {
    const padded = widths.map((width, column) => {
      const cell = cells[column] ?? ''
      return column < textColumns ? cell.padEnd(width) : cell.padStart(width)
    })
    return `| ${padded.join(' | ')} |`
  }
  const rule = widths.map((width, column) => (column < textColumns ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`))
  return [line(head), line(rule), ...rows.map(line)].join('\n')
}

/** Three significant digits at least, below one two, and no decimals that say nothing. */
export function formatNumber(value: number): string {
  const size = Math.abs(value)
  if (size > 0 && size < 0.1) return value.toFixed(1 - Math.floor(Math.log10(size)))
  return value.toFixed(size < 10 ? 2 : size < 100 ? 1 : 0)
}

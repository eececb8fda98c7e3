import type { Weight } from '@scout/core'
import type { Output } from '../shell/io.ts'
import { type Column, renderTable } from './table.ts'

const columns: readonly Column[] = [
  { title: 'NATS', align: 'right' },
  { title: 'LINKS', align: 'right' },
  { title: 'SHOWS', align: 'left' },
  { title: 'CHECK', align: 'left' },
]

const indent = '    '

/** Renders the evidence for a named cause, from what speaks for it most to what speaks against it. */
export function weightsTable(weights: readonly Weight[], out: Output): string {
  const hasLinks = weights.some(({ links }) => links > 1)
  const isShown = (_: unknown, index: number) => hasLinks || columns[index]?.title !== 'LINKS'
  const rows = weights
    .toSorted((a, b) => b.nats - a.nats)
    .map(({ aspect, symptom, links, nats }) =>
      [{ text: signed(nats) }, { text: String(links) }, { text: symptom }, { text: aspect }].filter(isShown),
    )
  const maxWidth = out.columns === undefined ? undefined : out.columns - indent.length
  return renderTable(columns.filter(isShown), rows, maxWidth).replaceAll(/^(?=.)/gm, indent)
}

/** Returns `+5.1`, `-0.7` or `0.0`. */
function signed(nats: number): string {
  const text = nats.toFixed(1)
  if (Number(text) === 0) return '0.0'
  return nats > 0 ? `+${text}` : text
}

import { writeFile } from 'node:fs/promises'
import { writeIntoDocument } from './document.ts'
import { formatMachine, type Machine } from './machine.ts'
import type { BenchOptions } from './options.ts'
import { type Ratio, verdictOf } from './ratios.ts'
import { formatNumber, formatTable } from './table.ts'

export interface Report {
  readonly bench: 'accuracy' | 'cost' | 'paths'
  readonly machine: Machine
  /** Figures as a table. */
  readonly table: string
  /** The same as data. */
  readonly rows: readonly object[]
  readonly ratios: readonly Ratio[]
  /** What failed; the bench then fails too. */
  readonly problems: readonly string[]
}

/** Prints and stores a report, and returns the exit code it deserves. */
export async function publish(report: Report, { json, write, strict }: BenchOptions): Promise<number> {
  const { bench, machine, table, rows, ratios, problems } = report
  const text = [formatMachine(machine), table, formatRatios(ratios), ...problems].join('\n\n')
  process.stdout.write(`${text}\n`)
  const judged = ratios.map((ratio) => ({ ...ratio, verdict: verdictOf(ratio) }))
  if (json !== undefined) {
    await writeFile(json, `${JSON.stringify({ bench, machine, rows, ratios: judged, problems }, null, 2)}\n`)
  }
  if (write) await writeIntoDocument(bench, text)
  const isMissed = judged.some(({ verdict }) => verdict === 'missed')
  return problems.length > 0 || (strict && isMissed) ? 1 : 0
}

function formatRatios(ratios: readonly Ratio[]): string {
  return formatTable(
    ['held to', 'against', 'verdict', 'at most', 'measured', 'rounds'],
    ratios.map((ratio) => {
      const { figure, against, limit, measured, range } = ratio
      const verdict = verdictOf(ratio)
      return [
        figure,
        against,
        verdict === 'missed' ? '**missed**' : verdict,
        String(limit),
        measured === undefined ? '–' : formatNumber(measured),
        range === undefined ? '–' : range.map(formatNumber).join(' to '),
      ]
    }),
    { textColumns: 3 },
  )
}

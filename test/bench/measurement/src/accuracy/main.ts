import { describeMachine } from '../report/machine.ts'
import { readOptions } from '../report/options.ts'
import { median } from '../report/quantiles.ts'
import { publish } from '../report/report.ts'
import { formatNumber, formatTable } from '../report/table.ts'
import { startBlackbox } from '../stage/blackbox.ts'
import { startHost } from '../stage/host.ts'
import { findCommand, isThere } from '../stage/tool.ts'
import { type Cast, groupsOf } from './cells.ts'
import { ratiosOf } from './limits.ts'
import { buildHttptrace } from './peers.ts'
import { type Row, runGroup } from './rounds.ts'
import { figures } from './sample.ts'

/*
 * How far what Scout and its peers report is from what the wire shows: main.ts [--json FILE] [--write] [--strict] [--rounds N]
 * [--only PATTERN]. With --only, cells whose "tool: condition" the regular expression does not match are left out, and limits that need
 * them are not measured. Runs in namespaces of its own (stage/enter.ts).
 */
process.once('disconnect', () => process.exit(1))
const options = readOptions(process.argv.slice(2), { rounds: 3 })

const go = findCommand('go')
const machine = await describeMachine({
  tcpdump: ['tcpdump', '--version'],
  'iputils ping': ['ping', '-V'],
  fping: ['fping', '-v'],
  irtt: ['irtt', 'version'],
  sockperf: ['sockperf', '--version'],
  dig: ['dig', '-v'],
  curl: ['curl', '--version'],
  blackbox_exporter: ['prometheus-blackbox-exporter', '--version'],
  Go: ['go', 'version'],
})
const cast: Cast = {
  quick: await startHost({ number: 1, delayMs: 0 }),
  slow: await startHost({ number: 2, delayMs: 2 }),
  blackbox: isThere('prometheus-blackbox-exporter') ? await startBlackbox() : undefined,
  httptrace: go === undefined ? undefined : await buildHttptrace(go),
}

const rows: Row[] = []
for (const group of groupsOf(cast)) {
  const cells = group.filter(({ tool, condition, command }) => options.isWanted(tool, condition) && isThere(command))
  rows.push(...(await runGroup(cells, options.rounds)))
}

process.exit(
  await publish(
    {
      bench: 'accuracy',
      machine,
      table: formatRows(rows),
      rows,
      ratios: ratiosOf(rows),
      problems: rows.flatMap(({ problems }) => problems),
    },
    options,
  ),
)

function formatRows(rows: readonly Row[]): string {
  return formatTable(
    ['tool', 'condition', 'figure', 'clock', 'n', 'on the wire µs', 'median µs', 'p99 µs', 'max µs', 'lost'],
    rows.flatMap(formatRow),
    { textColumns: 4 },
  )
}

/** Medians of the rounds, and the greatest error of all. */
function formatRow({ tool, condition, clocks, rounds }: Row): readonly (readonly string[])[] {
  const done = rounds.filter((round) => round !== undefined)
  const lost = done.reduce((sum, { falselyLost }) => sum + falselyLost, 0)
  return figures.flatMap((figure) => {
    const errors = done.flatMap((round) => round.errors[figure] ?? [])
    if (errors.length === 0) return []
    const middle = (values: readonly number[]) => formatNumber(median(values) ?? Number.NaN)
    return [
      [
        tool,
        condition,
        figure,
        figure === 'round trip' || figure === 'connect' ? (clocks ?? '') : '',
        String(errors.reduce((sum, { n }) => sum + n, 0)),
        middle(errors.map(({ trueUs }) => trueUs)),
        middle(errors.map(({ medianUs }) => medianUs)),
        middle(errors.map(({ p99Us }) => p99Us)),
        formatNumber(Math.max(...errors.map(({ maxUs }) => maxUs))),
        String(lost),
      ],
    ]
  })
}

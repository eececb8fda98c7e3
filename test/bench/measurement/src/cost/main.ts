import { describeMachine } from '../report/machine.ts'
import { readOptions } from '../report/options.ts'
import { median } from '../report/quantiles.ts'
import { type Ratio, spreadOf } from '../report/ratios.ts'
import { publish } from '../report/report.ts'
import { formatNumber, formatTable } from '../report/table.ts'
import { startBlackbox } from '../stage/blackbox.ts'
import { startHost } from '../stage/host.ts'
import { at, reflector, startServer } from '../stage/servers.ts'
import { isThere } from '../stage/tool.ts'
import { type Cost, cellsOf } from './cells.ts'

/*
 * What a probe costs, of Scout and of its peers: main.ts [--json FILE] [--write] [--strict] [--rounds N] [--only PATTERN]. With --only,
 * cells whose "tool: probe" the regular expression does not match are left out, and limits that need them are not measured. Runs in
 * namespaces of its own (stage/enter.ts).
 */
process.once('disconnect', () => process.exit(1))
const options = readOptions(process.argv.slice(2), { rounds: 3 })

interface Row {
  readonly tool: string
  readonly what: string
  readonly rounds: readonly Cost[]
}

const limits = [
  { what: 'icmp', against: 'fping', limit: 1.2 },
  { what: 'icmp', against: 'blackbox', limit: 0.05 },
  { what: 'tcp', against: 'blackbox', limit: 0.2 },
  { what: 'http', against: 'blackbox', limit: 0.4 },
] as const

const machine = await describeMachine({
  'iputils ping': ['ping', '-V'],
  fping: ['fping', '-v'],
  blackbox_exporter: ['prometheus-blackbox-exporter', '--version'],
})
const rows = await measure()
process.exit(
  await publish(
    {
      bench: 'cost',
      machine,
      table: formatRows(rows),
      rows,
      ratios: limits.map((limit) => ratioOf(limit, rows)),
      problems: [],
    },
    options,
  ),
)

/** All tools in turn, and again in each round, so that what changes on the machine meets them all. */
async function measure(): Promise<readonly Row[]> {
  const host = await startHost({ number: 1, delayMs: 0 })
  await startServer(at(host, reflector('idle')))
  const cells = cellsOf({
    host,
    blackbox: isThere('prometheus-blackbox-exporter') ? await startBlackbox() : undefined,
  }).filter(({ tool, what, command }) => options.isWanted(tool, what) && isThere(command))
  const costs = cells.map((): Cost[] => [])
  for (let round = 0; round < options.rounds; round++) {
    for (const [index, { tool, what, measure }] of cells.entries()) {
      process.stderr.write(`${tool}: ${what} … `)
      costs[index]?.push(await measure())
      process.stderr.write('done\n')
    }
  }
  return cells.map(({ tool, what }, index) => ({ tool, what, rounds: costs[index] ?? [] }))
}

function ratioOf({ what, against, limit }: (typeof limits)[number], rows: readonly Row[]): Ratio {
  const costsOf = (tool: string) =>
    rows.find((row) => row.tool === tool && row.what === what)?.rounds.map(({ cpuUs }) => cpuUs) ?? []
  const peers = costsOf(against)
  const ratios = costsOf('scout').map((cpuUs, round) => cpuUs / (peers[round] ?? Number.NaN))
  return { figure: `CPU per probe, ${what}`, against, limit, ...spreadOf(ratios.filter(Number.isFinite)) }
}

function formatRows(rows: readonly Row[]): string {
  const middle = (values: readonly number[]) => formatNumber(median(values) ?? Number.NaN)
  return formatTable(
    ['tool', 'probe', 'probes a round', 'failed', 'CPU µs a probe', 'probes a second and core', 'resident MB'],
    rows.map(({ tool, what, rounds }) => {
      const cpuUs = rounds.map((round) => round.cpuUs)
      return [
        tool,
        what,
        String(rounds[0]?.probes ?? 0),
        String(rounds.reduce((sum, { failed }) => sum + failed, 0)),
        middle(cpuUs),
        middle(cpuUs.map((us) => 1e6 / us)),
        middle(rounds.map(({ residentMb }) => residentMb)),
      ]
    }),
    { textColumns: 2 },
  )
}

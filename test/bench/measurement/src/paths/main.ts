import { describeMachine } from '../report/machine.ts'
import { readOptions } from '../report/options.ts'
import { median } from '../report/quantiles.ts'
import { type Ratio, spreadOf } from '../report/ratios.ts'
import { publish } from '../report/report.ts'
import { formatNumber, formatTable } from '../report/table.ts'
import { isThere, run } from '../stage/tool.ts'
import { mtus } from './mtus.ts'
import { createNetwork, type Network } from './network.ts'
import type { Tool } from './tool.ts'
import { traces } from './traces.ts'

/*
 * What traces and searches for the MTU find, with how many packets and in what time, of Scout and of its peers: main.ts [--json FILE] [--write] [--strict]
 * [--rounds N] [--only PATTERN]. Times are those of whole commands. Runs in namespaces of its own (stage/enter.ts).
 */
process.once('disconnect', () => process.exit(1))
const options = readOptions(process.argv.slice(2), { rounds: 3 })

interface Run {
  readonly ms: number
  readonly packets: number
  readonly right: number
  readonly answers: number
}

interface Row {
  readonly tool: string
  readonly what: string
  readonly rounds: readonly Run[]
}

const tools = [...traces, ...mtus]

const limits = [
  ...[
    { what: 'one flow', against: ['mtr', 'scamper'] },
    { what: 'four flows', against: ['mtr', 'scamper', 'scamper MDA'] },
  ].flatMap(({ what, against }) =>
    against.flatMap(
      (tool) =>
        [
          { what, figure: 'packets', against: tool, limit: 1 },
          { what, figure: 'ms', against: tool, limit: 0.5 },
        ] as const,
    ),
  ),
  ...[...new Set(mtus.map(({ what }) => what))].flatMap((what) =>
    ['tracepath', 'scamper'].map((against) => ({ what, figure: 'ms', against, limit: 1 }) as const),
  ),
] as const

const machine = await describeMachine({
  mtr: ['mtr', '--version'],
  scamper: ['scamper', '-v'],
  tracepath: ['tracepath', '-V'],
})
const rows = await measure()
process.exit(
  await publish(
    {
      bench: 'paths',
      machine,
      table: formatRows(rows),
      rows,
      ratios: limits.map((limit) => ratioOf(limit, rows)),
      problems: rows.flatMap(problemsOf),
    },
    options,
  ),
)

async function measure(): Promise<readonly Row[]> {
  const network = await createNetwork()
  const wanted = tools.filter(({ tool, what, command }) => options.isWanted(tool, what) && isThere(command))
  const runs = wanted.map((): Run[] => [])
  for (let round = 0; round < options.rounds; round++) {
    for (const [index, tool] of wanted.entries()) {
      process.stderr.write(`${tool.tool}: ${tool.what} … `)
      runs[index]?.push(await runTool(tool, network))
      process.stderr.write('done\n')
    }
  }
  return wanted.map(({ tool, what }, index) => ({ tool, what, rounds: runs[index] ?? [] }))
}

async function runTool({ state, argv, exitCodes, answersOf }: Tool, network: Network): Promise<Run> {
  await network.reset(state)
  const startedMs = performance.now()
  const { stdout } = await run(
    network.inside(argv(network.target)),
    exitCodes === undefined ? {} : { expected: exitCodes },
  )
  const ms = performance.now() - startedMs
  const answers = answersOf(stdout, network)
  return { ms, packets: await network.sent(), right: answers.filter(Boolean).length, answers: answers.length }
}

function isRight({ right, answers }: Run): boolean {
  return right === answers
}

/** Only Scout must be right: that others are not is a figure. */
function problemsOf({ tool, what, rounds }: Row): readonly string[] {
  const wrong = rounds.filter((one) => !isRight(one)).length
  return wrong === 0 || tool !== 'scout' ? [] : [`scout was wrong in ${wrong} of ${rounds.length} rounds: ${what}`]
}

function ratioOf({ what, figure, against, limit }: (typeof limits)[number], all: readonly Row[]): Ratio {
  const figuresOf = (tool: string) =>
    all.find((row) => row.tool === tool && row.what === what)?.rounds.map((one) => one[figure]) ?? []
  const peers = figuresOf(against)
  const ratios = figuresOf('scout').map((own, round) => own / (peers[round] ?? Number.NaN))
  return {
    figure: `${figure === 'ms' ? 'time' : 'packets'}, ${what}`,
    against,
    limit,
    ...spreadOf(ratios.filter(Number.isFinite)),
  }
}

function formatRows(all: readonly Row[]): string {
  const middle = (values: readonly number[]) => formatNumber(median(values) ?? Number.NaN)
  return formatTable(
    ['tool', 'task', 'right in rounds', 'packets', 'ms'],
    all.map(({ tool, what, rounds }) => [
      tool,
      what,
      `${rounds.filter(isRight).length} of ${rounds.length}`,
      middle(rounds.map(({ packets }) => packets)),
      middle(rounds.map(({ ms }) => ms)),
    ]),
    { textColumns: 2 },
  )
}

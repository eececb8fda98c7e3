import { captured } from './capture.ts'
import type { Cell } from './cell.ts'
import { type Comparison, compare } from './errors.ts'
import { conversationsOf } from './wire.ts'

/** The results of a cell over all rounds. */
export interface Row {
  readonly tool: string
  readonly condition: string
  readonly clocks: string | undefined
  /** Undefined for a round that failed. */
  readonly rounds: readonly (Comparison | undefined)[]
  /** Why rounds failed. */
  readonly problems: readonly string[]
}

/** Runs the cells one after the other, and all again in each round, so that what changes on the machine meets them all. */
export async function runGroup(cells: readonly Cell[], rounds: number): Promise<readonly Row[]> {
  const outcomes: { cell: Cell; round: Round }[] = []
  for (let i = 0; i < rounds; i++) {
    for (const cell of cells) outcomes.push({ cell, round: await runCell(cell) })
  }
  return cells.map((cell) => {
    const own = outcomes.filter((outcome) => outcome.cell === cell).map(({ round }) => round)
    return {
      tool: cell.tool,
      condition: cell.condition,
      clocks: own.find(({ clocks }) => clocks !== undefined)?.clocks,
      rounds: own.map(({ comparison }) => comparison),
      problems: [...new Set(own.flatMap(({ problem }) => problem ?? []))],
    }
  })
}

interface Round {
  readonly comparison?: Comparison
  readonly clocks?: string | undefined
  readonly problem?: string
}

async function runCell(cell: Cell): Promise<Round> {
  const { tool, condition } = cell
  process.stderr.write(`${tool}: ${condition} … `)
  try {
    const { truths, outcome } = await measured(cell)
    const comparison = compare(outcome.samples, truths)
    process.stderr.write('done\n')
    return { comparison, clocks: outcome.clocks }
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error)
    process.stderr.write(`failed: ${problem}\n`)
    return { problem: `${tool}: ${condition}: ${problem}` }
  }
}

async function measured({ host, conversation, sparesServer = false, measure }: Cell) {
  const withNear = () => captured({ device: host.device }, measure)
  if (!sparesServer) {
    const { capture, outcome } = await withNear()
    return { truths: conversationsOf(capture, conversation), outcome }
  }
  const { capture: atServer, outcome: near } = await captured({ device: 'lo', host }, withNear)
  return { truths: conversationsOf(near.capture, conversation, atServer), outcome: near.outcome }
}

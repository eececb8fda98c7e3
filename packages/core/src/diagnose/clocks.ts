import type { Row } from '../mesh/row.ts'
import { ownAspect } from './aspects.ts'
import { Fact } from './evidence.ts'

/** Difference from which a clock is wrong. A row may be on its way for seconds, and times in messages do not need more. */
const tolerableMs = 5_000

/** What an agent's answer says about its clock. */
export interface ClockAnswer {
  readonly node: string
  readonly received?:
    | { readonly row: Pick<Row, 'takenAtMs' | 'startedAtMs'>; readonly receivedAtMs: number }
    | undefined
}

/** Enough to be no coincidence: a clock is read, not tried. */
const trials = 3

/** Returns what the rows show about the clocks of their nodes, each held against the reader's and those of the others. */
export function clockFacts(answers: readonly ClockAnswer[]): readonly Fact[] {
  const clocks = answers.flatMap(({ node, received }) =>
    received === undefined ? [] : [{ node, ...received, aheadMs: received.row.takenAtMs - received.receivedAtMs }],
  )
  const usualMs = median([0, ...clocks.map(({ aheadMs }) => aheadMs)])
  return clocks.map(({ node, row, receivedAtMs, aheadMs }): Fact => {
    const offMs = aheadMs - usualMs
    const isSkewed = Math.abs(offMs) > tolerableMs
    return new Fact(ownAspect('clock'), {
      from: node,
      to: { kind: 'node', name: node },
      target: node,
      symptom: isSkewed ? 'skewed' : 'passes',
      sinceMs: Math.min(row.startedAtMs - aheadMs, receivedAtMs),
      lastMs: receivedAtMs,
      trials,
      message: isSkewed ? sentence(node, offMs) : undefined,
    })
  })
}

function sentence(node: string, offMs: number): string {
  return `the clock of ${node} is ${Math.round(Math.abs(offMs) / 1_000)} s ${offMs > 0 ? 'ahead of' : 'behind'} the others`
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? 0
}

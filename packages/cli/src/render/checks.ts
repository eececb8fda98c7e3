import type { Check, Failure, Statistics } from '@scout/core'
import { isHopeless } from '../shell/exit-code.ts'
import type { Output } from '../shell/io.ts'
import { failureText } from './failure.ts'
import { type Cell, type Column, renderTable } from './table.ts'
import { formatMilliseconds } from './words.ts'

/** Outcome of one check. */
export interface CheckOutcome {
  readonly check: Check
  /** The address that was probed, if the name has several. */
  readonly address?: string
  readonly statistics: Statistics
  readonly lastFailure: Failure | undefined
}

const columns: readonly Column[] = [
  { title: 'CHECK', align: 'left' },
  { title: 'ADDRESS', align: 'left' },
  { title: 'BYTES', align: 'right' },
  { title: 'PASSED', align: 'right' },
  { title: 'MEDIAN', align: 'right' },
  { title: '', align: 'left' },
]

/** Renders one row per check: how many attempts passed, their median time, and the message of the last failure. */
export function renderChecks(outcomes: readonly CheckOutcome[], out: Output): string {
  const hasAddresses = outcomes.some(({ address }) => address !== undefined)
  const isShown = (_: unknown, index: number) => hasAddresses || columns[index]?.title !== 'ADDRESS'
  const rows = outcomes.map((outcome) => rowOf(outcome, out).filter(isShown))
  return `${renderTable(columns.filter(isShown), rows, out.columns)}\n${verdict(outcomes)}\n`
}

function rowOf(outcome: CheckOutcome, { colours }: Output): readonly Cell[] {
  const { check, statistics, lastFailure } = outcome
  const { received, timesNs } = statistics
  const attempts = attemptsOf(statistics)
  const isWithout = isWithoutResult(outcome)
  const paint = received === 0 ? colours.red : received < attempts ? colours.yellow : colours.green
  return [
    { text: check.name },
    { text: outcome.address ?? '' },
    { text: check.bytes === undefined ? '' : String(check.bytes) },
    isWithout ? { text: '-' } : { text: `${received}/${attempts}`, paint },
    { text: timesNs === undefined || isWithout ? '' : formatMilliseconds(timesNs.p50) },
    { text: lastFailure === undefined ? '' : failureText(lastFailure) },
  ]
}

function nameOf({ check, address }: CheckOutcome): string {
  return address === undefined ? check.name : `${check.name} at ${address}`
}

function attemptsOf({ received, failures }: Statistics): number {
  return Object.values(failures).reduce((sum, count) => sum + count, received)
}

function isWithoutResult({ statistics, lastFailure }: CheckOutcome): boolean {
  if (lastFailure === undefined) return attemptsOf(statistics) === 0
  return isHopeless(lastFailure.reason)
}

function verdict(outcomes: readonly CheckOutcome[]): string {
  const judged = outcomes.filter((outcome) => !isWithoutResult(outcome))
  const passed = judged.filter(({ statistics }) => statistics.received === attemptsOf(statistics))
  const names = (some: readonly CheckOutcome[]) => some.map(nameOf).join(', ')
  const failed = judged.filter((outcome) => !passed.includes(outcome))
  const without = outcomes.filter((outcome) => !judged.includes(outcome))
  return [
    `${passed.length} of ${outcomes.length} passed`,
    ...(failed.length === 0 ? [] : [`failed: ${names(failed)}`]),
    ...(without.length === 0 ? [] : [`no result: ${names(without)}`]),
  ].join('; ')
}

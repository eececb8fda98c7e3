import type { Check, Failure, Statistics } from '@scout/core'
import { isHopeless } from '../shell/exit-code.ts'
import type { Output } from '../shell/io.ts'
import { failureText } from './failure.ts'
import { type Cell, type Column, renderTable } from './table.ts'
import { formatMilliseconds } from './words.ts'

/** Outcome of one check. */
export interface CheckOutcome {
  readonly check: Check
  readonly statistics: Statistics
  readonly lastFailure: Failure | undefined
  /** Size of an answer that is smaller than requested: it is not from a Scout responder, and nothing large has passed. */
  readonly shortBytes: number | undefined
}

const columns: readonly Column[] = [
  { title: 'CHECK', align: 'left' },
  { title: 'BYTES', align: 'right' },
  { title: 'PASSED', align: 'right' },
  { title: 'MEDIAN', align: 'right' },
  { title: '', align: 'left' },
]

/** Renders one row per check: how many attempts passed, their median time, and the message of the last failure. */
export function renderChecks(outcomes: readonly CheckOutcome[], out: Output): string {
  const rows = outcomes.map((outcome) => rowOf(outcome, out))
  return `${renderTable(columns, rows, out.columns)}\n${verdict(outcomes)}\n`
}

function rowOf(outcome: CheckOutcome, { colours }: Output): readonly Cell[] {
  const { check, statistics } = outcome
  const { received, timesNs } = statistics
  const attempts = attemptsOf(statistics)
  const isWithout = isWithoutResult(outcome)
  const paint = received === 0 ? colours.red : received < attempts ? colours.yellow : colours.green
  return [
    { text: check.name },
    { text: check.bytes === undefined ? '' : String(check.bytes) },
    isWithout ? { text: '-' } : { text: `${received}/${attempts}`, paint },
    { text: timesNs === undefined || isWithout ? '' : formatMilliseconds(timesNs.p50) },
    { text: remarkOf(outcome) },
  ]
}

function remarkOf({ lastFailure, shortBytes }: CheckOutcome): string {
  if (lastFailure !== undefined) return failureText(lastFailure)
  return shortBytes === undefined ? '' : `answered with ${shortBytes} bytes: there is no Scout responder`
}

function attemptsOf({ received, failures }: Statistics): number {
  return Object.values(failures).reduce((sum, count) => sum + count, received)
}

function isWithoutResult({ statistics, lastFailure, shortBytes }: CheckOutcome): boolean {
  if (lastFailure === undefined) return attemptsOf(statistics) === 0 || shortBytes !== undefined
  return isHopeless(lastFailure.reason)
}

function verdict(outcomes: readonly CheckOutcome[]): string {
  const judged = outcomes.filter((outcome) => !isWithoutResult(outcome))
  const passed = judged.filter(({ statistics }) => statistics.received === attemptsOf(statistics))
  const names = (some: readonly CheckOutcome[]) => some.map(({ check }) => check.name).join(', ')
  const failed = judged.filter((outcome) => !passed.includes(outcome))
  const without = outcomes.filter((outcome) => !judged.includes(outcome))
  return [
    `${passed.length} of ${outcomes.length} passed`,
    ...(failed.length === 0 ? [] : [`failed: ${names(failed)}`]),
    ...(without.length === 0 ? [] : [`no result: ${names(without)}`]),
  ].join('; ')
}

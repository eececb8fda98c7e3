import type { Ring, SeriesKey, Slot } from '@scout/core'
import type { Memory, Series } from './memory.ts'

/** Selects series; an absent field selects all. */
export interface HistoryQuery {
  readonly check?: string | undefined
  /** Node that is probed. */
  readonly to?: string | undefined
}

/** History of one series: ten minutes in steps of 10 s, a day in steps of a minute. Slots without an attempt are omitted. */
export interface SeriesHistory extends SeriesKey {
  readonly recent: HistoryOf
  readonly day: HistoryOf
}

interface HistoryOf {
  readonly spanMs: number
  readonly slots: readonly Slot[]
}

/** Returns the history of the selected series. `nowMs` is wall clock. */
export function historyOf(memory: Memory, { check, to }: HistoryQuery, nowMs: number): readonly SeriesHistory[] {
  const isSelected = ({ key }: Series) =>
    (check === undefined || key.check === check) && (to === undefined || key.to === to)
  return [...memory.series]
    .filter(isSelected)
    .map(({ key, recent, day }) => ({ ...key, recent: slotsOf(recent, nowMs), day: slotsOf(day, nowMs) }))
}

function slotsOf(ring: Ring, nowMs: number): HistoryOf {
  return { spanMs: ring.spanMs, slots: ring.read(nowMs) }
}

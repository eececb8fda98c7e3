import type { Protocol, Ring, SeriesKey, Slot } from '@scout/core'
import type { Memory } from './memory.ts'
import type { Series } from './series.ts'

/** Selects series; an absent field selects all. */
export interface HistoryQuery {
  readonly check?: string | undefined
  /** Node that is probed. */
  readonly to?: string | undefined
}

/** History of the selected series, and the newest failures of each. */
export interface History {
  readonly series: readonly SeriesHistory[]
  /** Newest first. They are kept longer than the slots that count them. */
  readonly failures: readonly PastFailure[]
}

/** History of one series: ten minutes in steps of 10 s, a day in steps of a minute. Slots without an attempt are omitted. */
export interface SeriesHistory extends SeriesKey {
  readonly protocol: Protocol
  readonly target: string
  readonly recent: HistoryOf
  readonly day: HistoryOf
}

export interface PastFailure extends Pick<SeriesKey, 'check' | 'family'> {
  readonly atMs: number
  readonly reason: string
  readonly phase: string
  readonly message: string
}

interface HistoryOf {
  readonly spanMs: number
  readonly slots: readonly Slot[]
}

/** Returns the history of the selected series. `nowMs` is wall clock. */
export function historyOf(memory: Memory, { check, to }: HistoryQuery, nowMs: number): History {
  const isSelected = ({ key }: Series) =>
    (check === undefined || key.check === check) && (to === undefined || key.to === to)
  const selected = [...memory.series].filter(isSelected)
  return {
    series: selected.map(({ key, protocol, target, recent, day }) => ({
      ...key,
      protocol,
      target,
      recent: slotsOf(recent, nowMs),
      day: slotsOf(day, nowMs),
    })),
    failures: selected.flatMap(failuresOf).toSorted((a, b) => b.atMs - a.atMs),
  }
}

function slotsOf(ring: Ring, nowMs: number): HistoryOf {
  return { spanMs: ring.spanMs, slots: ring.read(nowMs) }
}

function failuresOf({ key: { check, family }, failures }: Series): readonly PastFailure[] {
  return failures.flatMap((result) => {
    if (result.ok) return []
    const { reason, phase, message } = result.failure
    return [{ atMs: result.startedAtMs, check, family, reason, phase, message }]
  })
}

import type { SeriesHistory, Slot } from './documents.ts'

export type Span = 'recent' | 'day'

/** Points of a chart. `xs` are seconds since 1970; a value is `null` where there is none. */
export interface Points {
  readonly xs: readonly number[]
  readonly p50Ms: readonly (number | null)[]
  readonly p99Ms: readonly (number | null)[]
  /** Attempts that failed, in percent. */
  readonly failedPercent: readonly (number | null)[]
  /** Packets lost on the way there and on the way back, in percent; `null` where the other side does not count them. */
  readonly forthPercent: readonly (number | null)[]
  readonly backPercent: readonly (number | null)[]
}

/** A day by the minute. */
const mostSlots = 1_440

/** Returns a history with a point for each slot of its time, so that a gap stays one. */
export function pointsOf(histories: readonly SeriesHistory[], span: Span): Points {
  const slots = histories.flatMap((history) => history[span].slots)
  const spanMs = histories[0]?.[span].spanMs ?? 10_000
  const bySlot = new Map<number, Slot[]>()
  for (const slot of slots) {
    const index = Math.floor(slot.fromMs / spanMs)
    bySlot.set(index, [...(bySlot.get(index) ?? []), slot])
  }
  const last = Math.max(...bySlot.keys())
  const first = Math.max(Math.min(...bySlot.keys()), last - mostSlots + 1)
  const indexes = slots.length === 0 ? [] : Array.from({ length: last - first + 1 }, (_, step) => first + step)
  const all = indexes.map((index) => bySlot.get(index) ?? [])
  const times = all.map((alike) => alike.flatMap(({ timesNs }) => timesNs ?? []))
  return {
    xs: indexes.map((index) => (index * spanMs) / 1000),
    p50Ms: times.map((alike) => (alike.length === 0 ? null : Math.min(...alike.map(({ p50 }) => p50)) / 1e6)),
    p99Ms: times.map((alike) => (alike.length === 0 ? null : Math.max(...alike.map(({ p99 }) => p99)) / 1e6)),
    failedPercent: all.map((alike) =>
      percentOf(alike.map(({ failed, passed }) => ({ part: failed, whole: failed + passed }))),
    ),
    forthPercent: all.map((alike) => percentOf(alike.flatMap(lostOf('forth')))),
    backPercent: all.map((alike) => percentOf(alike.flatMap(lostOf('back')))),
  }
}

function lostOf(way: 'forth' | 'back') {
  return ({ lost }: Slot) => {
    const part = lost?.[way]
    return lost === undefined || part === undefined ? [] : [{ part, whole: lost.sent }]
  }
}

function percentOf(shares: readonly { readonly part: number; readonly whole: number }[]): number | null {
  const whole = shares.reduce((sum, share) => sum + share.whole, 0)
  return whole === 0 ? null : (100 * shares.reduce((sum, share) => sum + share.part, 0)) / whole
}

/** Returns points at the places of others, so that both share an axis. */
export function alignedTo(xs: readonly number[], points: Points): Points {
  const places = new Map(points.xs.map((x, place) => [x, place]))
  const at = (values: readonly (number | null)[]) =>
    xs.map((x) => {
      const place = places.get(x)
      return place === undefined ? null : (values[place] ?? null)
    })
  return {
    xs,
    p50Ms: at(points.p50Ms),
    p99Ms: at(points.p99Ms),
    failedPercent: at(points.failedPercent),
    forthPercent: at(points.forthPercent),
    backPercent: at(points.backPercent),
  }
}

/** Returns the places of several axes together. */
export function jointly(...axes: readonly (readonly number[])[]): readonly number[] {
  return [...new Set(axes.flat())].toSorted((a, b) => a - b)
}

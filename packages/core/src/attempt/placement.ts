import { createHash } from 'node:crypto'

/** When a task is due: whenever the clock of `nowNs`, modulo `intervalNs`, is `placeNs`. */
export interface Place {
  /** At least 0, less than `intervalNs`. */
  readonly placeNs: number
  readonly intervalNs: number
}

export type Placement = (task: { readonly id: string; readonly intervalMs: number }) => Place

/** Interval from which the origin is chosen: a day, of which other usual intervals are a part. */
const dayNs = 86_400e9

/**
 * Returns a function that places tasks in their intervals. The hash of a task's id chooses one point of a grid, so that tasks are spread
 * over the interval and do not move as others come and go, and so that many of them are due together, which costs less than one by one.
 * The grid of a process starts at a random time, so that agents do not run in step with each other or with their previous run.
 */
export function createPlacement(originNs = Math.random() * dayNs): Placement {
  return ({ id, intervalMs }) => {
    const intervalNs = intervalMs * 1e6
    const gridNs = gridMsOf(intervalMs) * 1e6
    const points = Math.max(1, Math.floor(intervalNs / gridNs))
    const fraction = createHash('sha256').update(id).digest().readUInt32BE() / 2 ** 32
    return { placeNs: Math.round(originNs + Math.floor(fraction * points) * gridNs) % intervalNs, intervalNs }
  }
}

/** Returns the next time at which a task is due: `atNs` or later. */
export function nextDueNs({ placeNs, intervalNs }: Place, atNs: number): number {
  const dueNs = atNs - (atNs % intervalNs) + placeNs
  return dueNs >= atNs ? dueNs : dueNs + intervalNs
}

/** Returns the distance of points: ten an interval, but no finer than 100 ms and no coarser than a second. */
function gridMsOf(intervalMs: number): number {
  return Math.min(1_000, Math.max(100, intervalMs / 10))
}

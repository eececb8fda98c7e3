import { type AnyResult, outcomeOf } from '@scout/core'
import type { PlannedTask } from './plan.ts'

/**
 * Finds the links on which something has just begun or ceased to fail. Their checks are attempted more often for a while, so that a fault is
 * told from a single loss within seconds, and so is its end. A few links at a time are enough to know what happens to many.
 */
export interface Suspicion {
  /** Takes how an attempt ended. */
  note(task: PlannedTask, result: AnyResult): void
  /** Returns when attempts of a task are made in addition to its own; undefined if there are none. */
  moreOf(task: PlannedTask): More | undefined
  /** Forgets all tasks but these, by id. */
  keep(tasks: ReadonlyMap<string, PlannedTask>): void
  stop(): void
}

/** Further attempts: so many in each interval. */
export interface More {
  readonly intervalMs: number
  readonly perInterval: number
}

const suspectedMs = 60_000
/** Longest in a row, and the pause after it. If the additional packets exceed a rate limit, they cause the loss that keeps a link suspected. */
const longestMs = 600_000
/** With default checks and one address, a suspected link costs 15 attempts a second instead of 2.5. */
const mostLinks = 8
/** A fifth of its interval lies between additional attempts of a task, but at least this. */
const leastIntervalMs = 2_000
const faster = 5
/** Time between those of a stream, whose answers cost next to nothing. */
const streamedMs = 100

/** @param onChange called when other links are suspected than before */
export function createSuspicion(onChange: () => void): Suspicion {
  /** Links of the tasks whose last attempt failed, by id. */
  const failing = new Map<string, string>()
  /** By link, until when it is suspected; the first to end is first. */
  const untilMs = new Map<string, number>()
  /** Since when it is suspected. */
  const sinceMs = new Map<string, number>()
  /** Until when it is not suspected again. */
  const restsMs = new Map<string, number>()
  let timer: NodeJS.Timeout | undefined

  const suspect = (link: string) => {
    const nowMs = performance.now()
    if (nowMs < (restsMs.get(link) ?? nowMs)) return
    restsMs.delete(link)
    if (nowMs - (sinceMs.get(link) ?? nowMs) > longestMs - suspectedMs) {
      restsMs.set(link, nowMs + longestMs)
      return
    }
    const isKnown = untilMs.delete(link)
    if (untilMs.size >= mostLinks && !makeRoom()) return
    untilMs.set(link, nowMs + suspectedMs)
    timer ??= setTimeout(expire, suspectedMs)
    if (isKnown) return
    sinceMs.set(link, nowMs)
    onChange()
  }

  const forget = (link: string) => {
    sinceMs.delete(link)
    return untilMs.delete(link)
  }

  /** Drops the first link on which nothing fails any more: single losses, of which a usual network has some, leave room for a fault. */
  const makeRoom = (): boolean => {
    const inTrouble = new Set(failing.values())
    const [calm] = [...untilMs.keys()].filter((link) => !inTrouble.has(link))
    return calm !== undefined && forget(calm)
  }

  const expire = () => {
    timer = undefined
    const before = untilMs.size
    for (const [link, endMs] of untilMs) if (endMs <= performance.now()) forget(link)
    const [next] = untilMs.values()
    if (next !== undefined) timer = setTimeout(expire, Math.max(0, Math.ceil(next - performance.now())))
    if (untilMs.size < before) onChange()
  }

  return {
    note(task, result) {
      const outcome = outcomeOf(result)
      if (outcome === 'failure' ? failing.has(task.id) : outcome !== 'success' || !failing.has(task.id)) return
      if (outcome === 'failure') failing.set(task.id, linkOf(task))
      else failing.delete(task.id)
      suspect(linkOf(task))
    },
    moreOf(task) {
      const { socket, intervalMs: usualMs, perInterval } = task.check
      // Further attempts would use flows of their own, which are not as old.
      if (socket !== undefined) return undefined
      const intervalMs = Math.max(leastIntervalMs, usualMs / faster)
      if (intervalMs >= usualMs || !untilMs.has(linkOf(task))) return undefined
      return { intervalMs, perInterval: perInterval === undefined ? 1 : Math.floor(intervalMs / streamedMs) }
    },
    keep(tasks) {
      for (const id of failing.keys()) if (!tasks.has(id)) failing.delete(id)
    },
    stop() {
      clearTimeout(timer)
      timer = undefined
      untilMs.clear()
      sinceMs.clear()
      restsMs.clear()
    },
  }
}

/** Returns what shares a suspicion: all checks of one node, or of one target that is no peer. */
function linkOf({ key, target }: PlannedTask): string {
  return key.to === undefined ? `target ${target}` : `node ${key.to}`
}

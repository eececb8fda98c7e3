import { type Check, type Family, idOf, isAboutAddresses, isAboutPeers, type SeriesKey, targetAt } from '@scout/core'
import { type Way, waysTo } from '../peers/reach.ts'
import type { KnownPeer } from '../peers/roster.ts'

/** One check of one target, run once an interval. Several tasks feed one series if a node has several peers or a peer several addresses. */
export interface PlannedTask {
  /** Stays the same while peer and target do. */
  readonly id: string
  /** Series that its results belong to. */
  readonly key: SeriesKey
  readonly check: Check
  readonly target: string
  /** Absent for a check that targets no peer. */
  readonly peer?: KnownPeer | undefined
  /** It targets no peer, but may be a service in front of agents that are about to listen. */
  readonly isEarly?: boolean | undefined
}

interface PlanInput {
  readonly checks: readonly Check[]
  readonly peers: Iterable<KnownPeer>
  /** Address families of this agent. */
  readonly families: ReadonlySet<Family>
  /** Node of this agent. */
  readonly from: string
  /** Agents that start together with this one may not listen yet (default: false). */
  readonly isEarly?: boolean
}

/** Returns all tasks: each check on its path to each peer, or once if it targets no peer. */
export function planTasks({ checks, peers, families, from, isEarly = false }: PlanInput): readonly PlannedTask[] {
  const everyPeer = [...peers]
  return checks.flatMap((check) =>
    isAboutPeers(check)
      ? everyPeer.flatMap((peer) =>
          waysOf(check, peer, families).flatMap((way) => taskOf({ check, from, way, peer }) ?? []),
        )
      : (taskOf({ check, from, way: { path: check.path, place: {} }, isEarly }) ?? []),
  )
}

/** Whether attempts of the task can count: only a ready peer can fail, and what may depend on peers when none is awaited any more. */
export function isReady({ peer, isEarly }: PlannedTask): boolean {
  return peer === undefined ? isEarly !== true : peer.state === 'ready'
}

function waysOf(check: Check, peer: KnownPeer, families: ReadonlySet<Family>): readonly Way[] {
  const ways = waysTo(peer, check.path)
  if (isAboutAddresses(check)) return ways.filter(({ family }) => family === undefined || families.has(family))
  return ways.slice(0, 1).map(({ path, place }) => ({ path, place }))
}

interface TaskInput {
  readonly check: Check
  readonly from: string
  readonly way: Way
  readonly peer?: KnownPeer
  readonly isEarly?: boolean
}

function taskOf({ check, from, way: { path, family, place }, peer, isEarly }: TaskInput): PlannedTask | undefined {
  const target = targetAt(check, place)
  if (target === undefined) return undefined
  const key = { check: check.name, path, vantage: check.vantage, family, from, to: peer?.node }
  return { id: JSON.stringify([idOf(key), peer?.id, target]), key, check, target, peer, isEarly }
}

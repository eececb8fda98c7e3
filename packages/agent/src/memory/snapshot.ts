import { type AnyResult, outcomeOf, type Protocol, type ResponderCounters, type Stray } from '@scout/core'
import type { GreetingCounters } from '../peers/greeter.ts'
import type { Knowledge } from '../peers/knowledge.ts'
import type { Peer } from '../peers/peer.ts'
import type { KnownPeer } from '../peers/roster.ts'
import type { Self } from '../peers/self.ts'
import type { ScheduleCounters } from '../plan/schedule.ts'
import type { Counts, Departed, Series } from './ledger.ts'

/** What has come of one check on one peer, or of a check of its own target. */
export interface SeriesView extends Counts {
  readonly check: string
  readonly protocol: Protocol
  readonly target: string
  readonly family?: 'ipv4' | 'ipv6' | undefined
  /** Absent for a check that is not about peers. */
  readonly peer?: Pick<Peer, 'name' | 'namespace' | 'node' | 'zone'> | undefined
  /**
   * `waiting`: nothing counted yet, or nothing for too long, or the peer is not ready, so that what was counted says nothing about
   * now. `unable`: this process lacks what the probe needs.
   */
  readonly state: 'ok' | 'failing' | 'waiting' | 'unable'
  readonly sinceMs?: number | undefined
  readonly attempts: number
  /** Of peers that are gone, for the counters they share with this one. */
  readonly inherited?: Counts | undefined
  readonly setAside: number
  readonly buckets: readonly number[]
  readonly sumNs: number
  readonly last?: AnyResult | undefined
  readonly recentFailures: readonly AnyResult[]
}

export type StrayCounts = Readonly<Record<Stray['kind'], number>>

/** Everything this agent knows at one moment; metrics, API, page and log are functions of it. */
export interface Snapshot {
  readonly takenAtMs: number
  readonly startedAtMs: number
  readonly self: Self
  readonly isReady: boolean
  readonly knowledge: Omit<Knowledge, 'peers'>
  readonly peers: readonly KnownPeer[]
  readonly series: readonly SeriesView[]
  /** Durations of peers that are gone, which the sums over all peers still hold. */
  readonly departed: readonly Departed[]
  readonly schedule: ScheduleCounters
  readonly setAside: number
  /** Failures held back until it is known whether their peer was on its way out, and what came after them. */
  readonly held: number
  readonly greetings: GreetingCounters
  readonly strays: Readonly<Partial<Record<Protocol, StrayCounts>>>
  readonly responders: Readonly<Record<string, Readonly<ResponderCounters>>>
}

export function viewOf({ check, peer, target, family, isFailing, ...rest }: Series): SeriesView {
  const isAway = peer !== undefined && peer.state !== 'ready'
  return {
    check: check.name,
    protocol: check.protocol,
    target,
    family,
    peer:
      peer === undefined ? undefined : { name: peer.name, namespace: peer.namespace, node: peer.node, zone: peer.zone },
    state: stateOf({ isFailing, isAway, last: rest.last }),
    ...rest,
  }
}

/** The view of a series of which nothing says anything about now that began before this moment. */
export function viewSince(oldestMs: number, series: Series): SeriesView {
  const view = viewOf(series)
  return view.last !== undefined && view.last.startedAtMs < oldestMs ? { ...view, state: 'waiting' } : view
}

function stateOf({
  isFailing,
  isAway,
  last,
}: {
  isFailing: boolean
  isAway: boolean
  last: AnyResult | undefined
}): SeriesView['state'] {
  if (last === undefined || isAway) return 'waiting'
  if (isFailing) return 'failing'
  return outcomeOf(last) === 'unable' ? 'unable' : 'ok'
}

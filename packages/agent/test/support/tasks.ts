import { type Check, type CheckDefinition, type Family, makeCheck } from '@scout/core'
import type { KnownPeer } from '../../src/peers/roster.ts'
import { type PlannedTask, planTasks } from '../../src/plan/plan.ts'
import { peer } from './peers.ts'

/** Returns a check with an interval of ten seconds. */
export function checkOf(name: string, more: Partial<CheckDefinition> = {}) {
  return makeCheck({ name, protocol: 'tcp', ...more }, { intervalMs: 10_000 })
}

export function known(name: string, more: Partial<KnownPeer> = {}): KnownPeer {
  return { ...peer(name), stateSinceMs: 0, ...more }
}

/** Returns the tasks of checks on these peers, of an agent on node-1. */
export function tasksOf(
  peers: readonly KnownPeer[],
  checks = [checkOf('tcp')],
  families: readonly Family[] = ['ipv4', 'ipv6'],
): readonly PlannedTask[] {
  return planTasks({ checks, peers, families: new Set(families), from: 'node-1' })
}

/** Returns the tasks of checks that ask these name servers, and servers of cluster DNS. */
export function dnsTasksOf(
  checks: readonly Check[],
  nameServers: readonly string[],
  dnsPods: readonly KnownPeer[] = [],
): readonly PlannedTask[] {
  return planTasks({ checks, peers: [], nameServers, dnsPods, families: new Set(['ipv4']), from: 'node-1' })
}

/** Returns the only task of a check on a peer. */
export function taskOf(of = known('a'), check = checkOf('tcp')): PlannedTask {
  const [task] = tasksOf([of], [check])
  if (task === undefined) throw new Error(`no task of ${check.name} on ${of.name}`)
  return task
}

import {
  type Check,
  type Family,
  idOf,
  isAboutAddresses,
  isAboutPeers,
  isSingleQuery,
  namesNoServer,
  type SeriesKey,
  serverPaths,
  targetAt,
  usableAddressOf,
} from '@scout/core'
import { type Way, waysTo } from '../peers/reach.ts'
import type { KnownPeer } from '../peers/roster.ts'
import { withStreams } from './streams.ts'

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
  /** Attempts in each interval of the check (default: 1). */
  readonly perInterval?: number | undefined
}

interface PlanInput {
  readonly checks: readonly Check[]
  readonly peers: Iterable<KnownPeer>
  /** Name servers of this host, in the order in which its applications ask them. */
  readonly nameServers?: readonly string[]
  /** Servers of cluster DNS to ask one by one. */
  readonly dnsPods?: Iterable<KnownPeer>
  /** Address families of this agent. */
  readonly families: ReadonlySet<Family>
  /** Node of this agent. */
  readonly from: string
  /** Agents that start together with this one may not listen yet (default: false). */
  readonly isEarly?: boolean
}

/**
 * Returns all tasks: each check on its path to each peer, or once if it targets no peer. A query without a server is for each name server of
 * this host, and a single one over UDP also for each server of cluster DNS, which the first of them stands for.
 */
export function planTasks(input: PlanInput): readonly PlannedTask[] {
  const { checks, peers, nameServers = [], dnsPods = [], families, from, isEarly = false } = input
  const everyPeer = [...peers]
  const everyPod = [...dnsPods]
  const tasks = checks.flatMap((check) => {
    if (isAboutPeers(check)) {
      return everyPeer.flatMap((peer) =>
        waysOf(check, peer, families).flatMap((way) => taskOf({ check, from, way, peer }) ?? []),
      )
    }
    const itself = taskOf({ check, from, way: { path: check.path, place: {} }, isEarly })
    if (itself === undefined || !namesNoServer(check)) return itself ?? []
    return [...serverTasks(itself, nameServers), ...everyPod.flatMap((pod) => podTasks(itself, pod, families))]
  })
  return withStreams(tasks)
}

function serverTasks(task: PlannedTask, servers: readonly string[]): readonly PlannedTask[] {
  const tasks = serverPaths.flatMap((path, index) => {
    const server = servers[index] ?? ''
    return usableAddressOf(server) === undefined ? [] : taskAt({ ...task, key: { ...task.key, path } }, server)
  })
  return tasks.length === 0 ? [task] : tasks
}

function podTasks({ check, key }: PlannedTask, pod: KnownPeer, families: ReadonlySet<Family>): readonly PlannedTask[] {
  if (!isSingleQuery(check)) return []
  return waysTo(pod, 'pod').flatMap(({ family, place: { host, port } }) =>
    family === undefined || !families.has(family)
      ? []
      : taskAt({ check, key: { ...key, path: 'dns-pod', family, to: pod.node }, peer: pod }, `${host}:${port}`),
  )
}

function taskAt(task: Omit<PlannedTask, 'id' | 'target'>, server: string): PlannedTask {
  const target = `${task.check.target}@${server}`
  return { ...task, id: JSON.stringify([idOf(task.key), task.peer?.id, target]), target }
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

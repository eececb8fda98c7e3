import { type AnyResult, nowNs, outcomeOf, type TaskResult } from '@scout/core'
import type { KnownPeer } from '../peers/roster.ts'
import type { PlannedTask } from '../plan/plan.ts'

/** An attempt that has ended. */
export type Ended = Pick<TaskResult, 'startedNs' | 'result'>

/**
 * Decides which results count. A result counts only if its peer is ready, and has not changed during the attempt. Probes of a killed peer
 * fail before discovery can report its end; so the failure of a ready peer is held back for `settleMs`, and set aside if the peer changes
 * in that time. Later results of the same task queue up after it, so that results are recorded in order.
 */
export interface Settlement {
  /** Number of failures held back and results queued after them. */
  readonly held: number
  /** Takes the result of an attempt. `peer` is its current state, undefined if it is gone. */
  receive(task: PlannedTask, ended: Ended, peer: KnownPeer | 'none' | undefined): void
  /** Marks a peer as changed: its failures in flight or held back no longer count, nor do its successes that end later. */
  disturb(peerId: string): void
  /** Drops held results. */
  stop(): void
}

interface SettlementOptions {
  /** Longest time until discovery reports that a peer is gone. */
  readonly settleMs: number
  readonly onSettled: (task: PlannedTask, result: AnyResult, isCounted: boolean) => void
}

/** A result from its arrival until it is recorded. */
interface Pending {
  readonly task: PlannedTask
  readonly peerId: string | undefined
  readonly ended: Ended
  timer?: NodeJS.Timeout
  isDue: boolean
}

/** How long a change of a peer is kept: longer than any attempt and its delivery (the longest timeout is ten minutes). */
const keptNs = 660e9

export function createSettlement({ settleMs, onSettled }: SettlementOptions): Settlement {
  /** By task, oldest first; the first of each is a failure that is still held back. */
  const queues = new Map<string, Pending[]>()
  /** Times at which each peer changed, oldest first; the peer that changed last is last. */
  const changesNs = new Map<string, readonly number[]>()

  const hasChangedDuring = (peerId: string, { startedNs, result }: Ended): boolean => {
    const endedNs = startedNs + result.totalNs
    // A success may arrive after a change that came after it. A failure may be due to a change that was reported after it.
    return changesNs.get(peerId)?.some((ns) => ns >= startedNs && (!result.ok || ns <= endedNs)) === true
  }

  const release = (id: string) => {
    const queue = queues.get(id) ?? []
    for (let head = queue[0]; head?.isDue === true; head = queue[0]) {
      queue.shift()
      onSettled(head.task, head.ended.result, true)
    }
    if (queue.length === 0) queues.delete(id)
  }

  return {
    get held() {
      return [...queues.values()].reduce((sum, { length }) => sum + length, 0)
    },
    receive(task, ended, peer) {
      const isAside = peer !== 'none' && (peer?.state !== 'ready' || hasChangedDuring(peer.id, ended))
      if (isAside) return onSettled(task, ended.result, false)
      const { id } = task
      const queue = queues.get(id)
      const isAboutPeer = outcomeOf(ended.result) === 'failure' && peer !== 'none'
      const isHeld = queue !== undefined || (isAboutPeer && settleMs > 0)
      if (!isHeld) return onSettled(task, ended.result, true)
      const pending: Pending = { task, peerId: peer === 'none' ? undefined : peer.id, ended, isDue: !isAboutPeer }
      if (queue === undefined) queues.set(id, [pending])
      else queue.push(pending)
      if (!isAboutPeer) return
      pending.timer = setTimeout(() => {
        pending.isDue = true
        release(id)
      }, settleMs)
    },
    disturb(peerId) {
      const atNs = nowNs()
      const isKept = (ns: number) => ns > atNs - keptNs
      const before = changesNs.get(peerId) ?? []
      changesNs.delete(peerId)
      changesNs.set(peerId, [...before.filter(isKept), atNs])
      for (const [id, changes] of changesNs) {
        if (changes.some(isKept)) break
        changesNs.delete(id)
      }
      for (const [id, queue] of queues) {
        if (queue[0]?.peerId !== peerId) continue
        queues.delete(id)
        for (const { task, ended, timer } of queue) {
          clearTimeout(timer)
          onSettled(task, ended.result, ended.result.ok)
        }
      }
    },
    stop() {
      for (const { timer } of [...queues.values()].flat()) clearTimeout(timer)
      queues.clear()
    },
  }
}

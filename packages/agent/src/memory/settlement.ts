import { type AnyResult, outcomeOf } from '@scout/core'
import type { KnownPeer } from '../peers/roster.ts'
import type { PlannedTask } from '../plan/plan.ts'

/**
 * Decides which results count. Probes of a killed peer fail before discovery can report its end; so the failure of a ready peer is held
 * back for `settleMs`, and set aside if the peer changes in that time. Later results of the same task queue up after it, so that results are
 * recorded in order.
 */
export interface Settlement {
  /** Number of failures held back and results queued after them. */
  readonly held: number
  /** Registers the start of an attempt; call the returned function with its result, if there is one. `peer` is undefined if it is gone. */
  begin(task: PlannedTask, peer: KnownPeer | 'none' | undefined): (result: AnyResult | undefined) => void
  /** Marks a peer as changed: its failures in flight or held back no longer count. */
  disturb(peerId: string): void
  /** Drops held results. */
  stop(): void
}

interface SettlementOptions {
  /** Longest time until discovery reports that a peer is gone. */
  readonly settleMs: number
  readonly onSettled: (task: PlannedTask, result: AnyResult, isCounted: boolean) => void
}

/** An attempt from its start until its result is recorded. */
interface Pending {
  readonly task: PlannedTask
  readonly peerId: string | undefined
  isDisturbed: boolean
  result?: AnyResult
  timer?: NodeJS.Timeout
  isDue: boolean
}

export function createSettlement({ settleMs, onSettled }: SettlementOptions): Settlement {
  const underWay = new Set<Pending>()
  /** By task, oldest first; the first of each is a failure that is still held back. */
  const queues = new Map<string, Pending[]>()

  const end = (attempt: Pending, result: AnyResult | undefined) => {
    underWay.delete(attempt)
    if (result === undefined) return
    attempt.result = result
    const { id } = attempt.task
    const queue = queues.get(id)
    if (attempt.isDisturbed) return onSettled(attempt.task, result, false)
    const isAboutPeer = outcomeOf(result) === 'failure' && attempt.peerId !== undefined
    const isHeld = queue !== undefined || (isAboutPeer && settleMs > 0)
    if (!isHeld) return onSettled(attempt.task, result, true)
    if (queue === undefined) queues.set(id, [attempt])
    else queue.push(attempt)
    if (!isAboutPeer) {
      attempt.isDue = true
    } else {
      attempt.timer = setTimeout(() => {
        attempt.isDue = true
        release(id)
      }, settleMs)
    }
  }

  const release = (id: string) => {
    const queue = queues.get(id) ?? []
    while (queue[0]?.isDue === true) settle(queue.shift())
    if (queue.length === 0) queues.delete(id)
  }

  const settle = (attempt: Pending | undefined) => {
    if (attempt?.result === undefined) return
    clearTimeout(attempt.timer)
    onSettled(attempt.task, attempt.result, attempt.result.ok || !attempt.isDisturbed)
  }

  return {
    get held() {
      return [...queues.values()].reduce((sum, { length }) => sum + length, 0)
    },
    begin(task, peer) {
      const attempt: Pending = {
        task,
        peerId: peer === 'none' ? undefined : peer?.id,
        isDisturbed: peer !== 'none' && peer?.state !== 'ready',
        isDue: false,
      }
      underWay.add(attempt)
      return (result) => end(attempt, result)
    },
    disturb(peerId) {
      for (const attempt of underWay) if (attempt.peerId === peerId) attempt.isDisturbed = true
      for (const [id, queue] of queues) {
        if (queue[0]?.peerId !== peerId) continue
        queues.delete(id)
        for (const attempt of queue) {
          attempt.isDisturbed = true
          settle(attempt)
        }
      }
    },
    stop() {
      for (const { timer } of [...queues.values()].flat()) clearTimeout(timer)
      queues.clear()
    },
  }
}

import { type AnyResult, outcomeOf } from '@scout/core'
import type { KnownPeer } from '../peers/roster.ts'
import type { SeriesKey } from './ledger.ts'

/** A series an attempt belongs to. */
interface Subject {
  readonly id: string
  readonly key: SeriesKey
}

/**
 * Decides which results count. A peer that is killed fails before discovery can tell of it; so the failure of a ready peer is held back
 * for a while, and set aside if the peer changes in that time. What comes after it in the same series waits behind it, so that a series
 * is recorded in order.
 */
export interface Settlement {
  /** Failures held back, and successes waiting behind them. */
  readonly held: number
  /** An attempt on this series begins; what is returned takes its result, if there is one. `peer` is undefined for one that is gone. */
  begin(subject: Subject, peer: KnownPeer | 'none' | undefined): (result: AnyResult | undefined) => void
  /** This peer is not what it was: no failure under way or held back says anything about the network. */
  disturb(peerId: string): void
  /** Forgets what is held. */
  stop(): void
}

interface SettlementOptions {
  /** How long discovery may take to tell that a peer is gone. */
  readonly settleMs: number
  readonly onSettled: (subject: Subject, result: AnyResult, isCounted: boolean) => void
}

/** An attempt from its beginning until its result is recorded. */
interface Trial {
  readonly subject: Subject
  readonly peerId: string | undefined
  isDisturbed: boolean
  result?: AnyResult
  timer?: NodeJS.Timeout
  isDue: boolean
}

export function createSettlement({ settleMs, onSettled }: SettlementOptions): Settlement {
  const underWay = new Set<Trial>()
  /** By series, oldest first; the first of each is a failure that is not due. */
  const queues = new Map<string, Trial[]>()

  const end = (trial: Trial, result: AnyResult | undefined) => {
    underWay.delete(trial)
    if (result === undefined) return
    trial.result = result
    const { id } = trial.subject
    const queue = queues.get(id)
    if (trial.isDisturbed) return onSettled(trial.subject, result, false)
    const isAboutPeer = outcomeOf(result) === 'failure' && trial.peerId !== undefined
    const isHeld = queue !== undefined || (isAboutPeer && settleMs > 0)
    if (!isHeld) return onSettled(trial.subject, result, true)
    if (queue === undefined) queues.set(id, [trial])
    else queue.push(trial)
    if (result.ok) {
      trial.isDue = true
    } else {
      trial.timer = setTimeout(() => {
        trial.isDue = true
        release(id)
      }, settleMs)
    }
  }

  const release = (id: string) => {
    const queue = queues.get(id) ?? []
    while (queue[0]?.isDue === true) settle(queue.shift())
    if (queue.length === 0) queues.delete(id)
  }

  const settle = (trial: Trial | undefined) => {
    if (trial?.result === undefined) return
    clearTimeout(trial.timer)
    onSettled(trial.subject, trial.result, trial.result.ok || !trial.isDisturbed)
  }

  return {
    get held() {
      return [...queues.values()].reduce((sum, { length }) => sum + length, 0)
    },
    begin(subject, peer) {
      const trial: Trial = {
        subject,
        peerId: peer === 'none' ? undefined : peer?.id,
        isDisturbed: peer !== 'none' && peer?.state !== 'ready',
        isDue: false,
      }
      underWay.add(trial)
      return (result) => end(trial, result)
    },
    disturb(peerId) {
      for (const trial of underWay) if (trial.peerId === peerId) trial.isDisturbed = true
      for (const [id, queue] of queues) {
        if (queue[0]?.peerId !== peerId) continue
        queues.delete(id)
        for (const trial of queue) {
          trial.isDisturbed = true
          settle(trial)
        }
      }
    },
    stop() {
      for (const { timer } of [...queues.values()].flat()) clearTimeout(timer)
      queues.clear()
    },
  }
}

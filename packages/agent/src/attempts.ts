import type { AnyResult, Prober, SeriesSession } from '@scout/core'
import type { Memory, Recorded } from './memory/memory.ts'
import { createSettlement } from './memory/settlement.ts'
import type { KnownPeer } from './peers/roster.ts'
import { isReady, type PlannedTask } from './plan/plan.ts'
import type { Task } from './plan/schedule.ts'
import type { Vantages } from './vantage/vantages.ts'

interface AttemptsOptions {
  readonly vantages: Vantages
  readonly memory: Memory
  /** How long failures of ready peers are held back. */
  readonly settleMs: number
  /** Returns the current state of a peer; undefined if it is gone. */
  readonly peerOf: (id: string) => KnownPeer | undefined
  readonly onAttempted: (task: PlannedTask, result: AnyResult, recorded: Recorded) => void
}

/** Runs planned tasks: an attempt on the vantage of its check, then settlement, then memory. */
export interface Attempts {
  /** Number of results held back until it is clear whether they count. */
  readonly held: number
  /** Replaces all tasks; returns those to schedule. */
  setTasks(tasks: readonly PlannedTask[]): readonly Task[]
  /** Marks a peer as changed: its failures in flight or held back no longer count. */
  disturb(peerId: string): void
  /** Cancels attempts in flight and drops held results. */
  stop(): void
}

export function createAttempts({ vantages, memory, settleMs, peerOf, onAttempted }: AttemptsOptions): Attempts {
  const stopping = new AbortController()
  const { signal } = stopping
  const settlement = createSettlement({
    settleMs,
    onSettled: (task, result, isCounted) => onAttempted(task, result, memory.record(task, result, isCounted)),
  })

  /** By task id, because the state that attempts share belongs to one peer and target. */
  const sessions = new Map<string, SeriesSession>()

  const sessionOf = ({ id }: PlannedTask, prober: Prober): SeriesSession => {
    const session = sessions.get(id) ?? prober.openSession()
    sessions.set(id, session)
    return session
  }

  const closeSessions = (isKept: (id: string) => boolean) => {
    for (const [id, session] of sessions) {
      if (isKept(id)) continue
      session.close()
      sessions.delete(id)
    }
  }

  const attempt = async (task: PlannedTask): Promise<AnyResult | undefined> => {
    const { check, target, key } = task
    const prober = vantages.get(key.vantage)?.prober
    const family = key.family === undefined ? {} : { family: key.family }
    return prober?.probe(check.protocol, target, {
      ...check.options,
      ...family,
      signal,
      session: sessionOf(task, prober),
    })
  }

  const run = async (task: PlannedTask) => {
    const { peer } = task
    const end = settlement.begin(task, peer === undefined ? 'none' : peerOf(peer.id))
    let result: AnyResult | undefined
    try {
      result = await attempt(task)
    } finally {
      end(signal.aborted ? undefined : result)
    }
  }

  return {
    get held() {
      return settlement.held
    },
    setTasks(tasks) {
      memory.setTasks(tasks, performance.now())
      const ready = tasks.filter(isReady)
      const kept = new Set(ready.map(({ id }) => id))
      closeSessions((id) => kept.has(id))
      return ready.map((task) => ({ key: task.id, intervalMs: task.check.intervalMs, run: () => run(task) }))
    },
    disturb: settlement.disturb,
    stop() {
      stopping.abort()
      closeSessions(() => false)
      settlement.stop()
    },
  }
}

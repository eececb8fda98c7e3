import { type AnyResult, ScoutError, type Task, type TaskResult } from '@scout/core'
import type { Memory, Recorded } from './memory/memory.ts'
import { createSettlement } from './memory/settlement.ts'
import type { KnownPeer } from './peers/roster.ts'
import { isReady, type PlannedTask } from './plan/plan.ts'
import type { Vantages } from './vantage/vantages.ts'

interface AttemptsOptions {
  readonly vantages: Pick<Vantages, 'all'>
  readonly memory: Memory
  /** How long failures of ready peers are held back. */
  readonly settleMs: number
  /** Returns the current state of a peer; undefined if it is gone. */
  readonly peerOf: (id: string) => KnownPeer | undefined
  readonly onAttempted: (task: PlannedTask, result: AnyResult, recorded: Recorded) => void
  /** Called when a vantage rejects its tasks: the configuration should have. */
  readonly onDefect: (error: unknown) => void
}

/** Has planned tasks attempted on the vantages of their checks; their results go through settlement to memory. */
export interface Attempts {
  /** Number of results held back until it is clear whether they count. */
  readonly held: number
  /** Replaces all tasks. */
  setTasks(tasks: readonly PlannedTask[]): void
  /** Takes results from a vantage. */
  receive(results: readonly TaskResult[]): void
  /** Marks a peer as changed: its failures in flight or held back no longer count. */
  disturb(peerId: string): void
  /** Cancels attempts in flight and drops held results. */
  stop(): void
}

export function createAttempts(options: AttemptsOptions): Attempts {
  const { vantages, memory, settleMs, peerOf, onAttempted, onDefect } = options
  const settlement = createSettlement({
    settleMs,
    onSettled: (task, result, isCounted) => onAttempted(task, result, memory.record(task, result, isCounted)),
  })
  /** By id; only these are attempted. */
  let planned: ReadonlyMap<string, PlannedTask> = new Map()

  const handOver = () => {
    for (const [name, { prober }] of vantages.all()) {
      const tasks = [...planned.values()].filter(({ key }) => key.vantage === name).map(taskFor)
      prober.setTasks(tasks).catch((error: unknown) => {
        // A vantage that has ended attempts nothing.
        if (!(error instanceof ScoutError && error.code === 'closed')) onDefect(error)
      })
    }
  }

  return {
    get held() {
      return settlement.held
    },
    setTasks(tasks) {
      memory.setTasks(tasks, performance.now())
      planned = new Map(tasks.filter(isReady).map((task) => [task.id, task]))
      handOver()
    },
    receive(results) {
      for (const ended of results) {
        const task = planned.get(ended.id)
        if (task === undefined) continue
        const { peer } = task
        settlement.receive(task, ended, peer === undefined ? 'none' : peerOf(peer.id))
      }
    },
    disturb: settlement.disturb,
    stop() {
      planned = new Map()
      handOver()
      settlement.stop()
    },
  }
}

function taskFor({ id, check, target, key: { family } }: PlannedTask): Task {
  const { protocol, options, intervalMs } = check
  return { id, protocol, target, intervalMs, options: family === undefined ? options : { ...options, family } }
}

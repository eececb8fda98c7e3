import { type AnyResult, ScoutError, type Task, type TaskResult } from '@scout/core'
import type { Memory } from './memory/memory.ts'
import type { Recorded } from './memory/series.ts'
import { createSettlement } from './memory/settlement.ts'
import type { KnownPeer } from './peers/roster.ts'
import { createPaced } from './plan/paced.ts'
import { isReady, type PlannedTask } from './plan/plan.ts'
import { createSuspicion, type More } from './plan/suspicion.ts'
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
  /** Those whose link is suspected, which have further attempts under ids of their own, so that attempts in flight go on. */
  let repeated: ReadonlyMap<string, PlannedTask> = new Map()

  const handOver = () => {
    const all = [...planned.values()]
    const more = all.flatMap((task) => {
      const pace = suspicion.moreOf(task)
      return pace === undefined ? [] : [{ task, pace, id: JSON.stringify([task.id, pace.intervalMs]) }]
    })
    repeated = new Map(more.map(({ id, task }) => [id, task]))
    for (const [name, { prober }] of vantages.all()) {
      const isHere = ({ key: { vantage } }: PlannedTask) => vantage === name
      const tasks = [
        ...all.filter(isHere).map((task) => taskFor(task, task.id, paceOf(task))),
        ...more.filter(({ task }) => isHere(task)).map(({ task, id, pace }) => taskFor(task, id, pace)),
      ]
      prober.setTasks(tasks).catch((error: unknown) => {
        // A vantage that has ended attempts nothing.
        if (!(error instanceof ScoutError && error.code === 'closed')) onDefect(error)
      })
    }
  }
  const handingOver = createPaced(handOver)
  const suspicion = createSuspicion(handingOver.request)

  return {
    get held() {
      return settlement.held
    },
    setTasks(tasks) {
      memory.setTasks(tasks, performance.now())
      planned = new Map(tasks.filter(isReady).map((task) => [task.id, task]))
      suspicion.keep(planned)
      handingOver.hurry()
    },
    receive(results) {
      for (const ended of results) {
        const task = planned.get(ended.id) ?? repeated.get(ended.id)
        if (task === undefined) continue
        suspicion.note(task, ended.result)
        const { peer } = task
        settlement.receive(task, ended, peer === undefined ? 'none' : peerOf(peer.id))
      }
    },
    disturb: settlement.disturb,
    stop() {
      planned = new Map()
      suspicion.stop()
      handingOver.hurry()
      settlement.stop()
    },
  }
}

function paceOf({ check: { intervalMs }, perInterval = 1 }: PlannedTask): More {
  return { intervalMs, perInterval }
}

function taskFor({ check, target, key: { family } }: PlannedTask, id: string, pace: More): Task {
  const { protocol, options } = check
  return { id, protocol, target, ...pace, options: family === undefined ? options : { ...options, family } }
}

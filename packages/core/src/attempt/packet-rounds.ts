import { isSystemError } from '../model/failure.ts'
import { engineCounts, readEngine } from '../net/native/engine-thread.ts'
import type { Question, Timing } from '../net/packets/question.ts'
import { nowNs } from '../time/clock.ts'
import { type PacketAttempt, packetAttemptOf, packetResultOf } from './packet-attempt.ts'
import { nextDueNs } from './placement.ts'
import type { ResultBatches } from './result-batches.ts'
import { createStreamOrder, type StreamOrder } from './stream-order.ts'
import type { PreparedTask, Repeater } from './task.ts'

/** How often results are read of which none is urgent. */
const readMs = 1_000

/** A task in the packet engine. */
interface Asking {
  readonly stop: () => void
  /** Of a stream. */
  readonly order: StreamOrder | undefined
}

/** Repeats tasks in the native packet engine, and the others, which it cannot repeat, by another repeater. */
export function createPacketRounds({
  batches,
  others,
}: {
  readonly batches: ResultBatches
  readonly others: Repeater
}): Repeater {
  const asking = new Map<number, Asking>()
  let timer: NodeJS.Timeout | undefined

  const read = () => {
    readEngine()
    batches.flush()
  }

  const keepReading = () => {
    if (asking.size > 0) timer ??= setInterval(read, readMs)
    else stopReading()
  }

  const stopReading = () => {
    clearInterval(timer)
    timer = undefined
  }

  const begin = (task: PreparedTask, attempt: PacketAttempt): Asking => {
    const { number } = task
    const { question, asker, request } = attempt
    const rounds = roundsOf(task, question)
    const { timeoutMs } = request.options
    const order =
      rounds.condensed === undefined
        ? undefined
        : createStreamOrder({ spacingNs: rounds.intervalMs * 1e6, timeoutMs, pass: batches.add })
    const stop = asker.begin(question, { timeoutMs, rounds }, (asked) => {
      const one = { number, startedNs: asked.startedNs, result: packetResultOf(attempt, asked) }
      if (order === undefined) batches.add(one)
      else order.add(one)
    })
    return { stop, order }
  }

  const end = (number: number) => {
    const ended = asking.get(number)
    ended?.stop()
    ended?.order?.stop()
    asking.delete(number)
  }

  const take = (task: PreparedTask): boolean => {
    const attempt = packetAttemptOf(task.probe, task.request, task.sockets)
    if (attempt === undefined) return false
    try {
      asking.set(task.number, begin(task, attempt))
      return true
    } catch (error) {
      // Such as a lane that has just ended: then each attempt opens another, or fails with it.
      if (!isSystemError(error)) throw error
      return false
    }
  }

  return {
    get counters() {
      const { started, late, skipped, lost, inFlight } = engineCounts()
      const { counters } = others
      return {
        started: counters.started + started,
        late: counters.late + late,
        skipped: counters.skipped + skipped,
        lost: counters.lost + lost,
        inFlight: counters.inFlight + inFlight,
        waiting: counters.waiting,
      }
    },
    add(tasks) {
      others.add(tasks.filter((task) => !take(task)))
      keepReading()
    },
    collect(ending) {
      readEngine()
      for (const [number, { order }] of asking) if (ending?.has(number) !== false) order?.flush()
      others.collect(ending)
    },
    remove(numbers) {
      for (const number of numbers) end(number)
      keepReading()
      others.remove(numbers)
    },
    stop() {
      for (const number of asking.keys()) end(number)
      stopReading()
      others.stop()
    },
  }
}

/** Returns when the engine asks: at the place of the task, or, of a stream, at the same point of each part of its interval. */
function roundsOf({ place, perInterval }: PreparedTask, { format }: Question): Required<Timing>['rounds'] {
  const condensed = format === 'stamp' ? perInterval : 1
  const intervalNs = place.intervalNs / condensed
  // Places are points of a grid, so that streams are due together.
  const dueNs = nextDueNs({ placeNs: place.placeNs % intervalNs, intervalNs }, nowNs())
  return { intervalMs: intervalNs / 1e6, dueNs, ...(condensed > 1 ? { condensed } : {}) }
}

import type { Change } from './faults/fault.ts'
import type { Applied } from './injection.ts'
import type { LabProcess } from './process.ts'

/** Stops processes for part of each period, those that come later too. */
export function startThrottle(
  processes: () => readonly LabProcess[],
  { stoppedMs, runningMs }: Extract<Change, { kind: 'throttle' }>,
): Applied {
  let stops = 0
  let isStopped = false
  let pending: Promise<unknown> = Promise.resolve()
  const signalAll = (signal: NodeJS.Signals) => Promise.all(processes().map((process) => process.signal(signal)))
  const turn = () => {
    isStopped = !isStopped
    if (isStopped) stops += processes().length
    pending = signalAll(isStopped ? 'SIGSTOP' : 'SIGCONT')
    timer = setTimeout(turn, isStopped ? stoppedMs : runningMs)
  }
  let timer = setTimeout(turn, runningMs)
  return {
    undo: async () => {
      clearTimeout(timer)
      await pending
      await signalAll('SIGCONT')
    },
    hits: () => Promise.resolve(stops),
  }
}

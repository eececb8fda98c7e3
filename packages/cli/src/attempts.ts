import { setTimeout as sleep } from 'node:timers/promises'
import {
  createProber,
  createTally,
  type OptionsOf,
  type Protocol,
  type Result,
  repeat,
  type Statistics,
  type Stray,
} from '@scout/core'
import { isHopeless } from './shell/exit-code.ts'

export interface AttemptPlan {
  readonly protocol: Protocol
  readonly target: string
  readonly options: OptionsOf<Protocol>
  /** Infinity: until `ended` aborts. */
  readonly count: number
  readonly intervalMs: number
  /** Delay of the first attempt, so that plans side by side do not start together, which would delay each of them (default: none). */
  readonly delayMs?: number
}

export interface AttemptListener {
  readonly ended: AbortSignal
  /** `number` counts attempts from 1 in the order they started; a slow one may finish after its successor. */
  readonly onResult: (result: Result, number: number) => void
  readonly onStray?: (stray: Stray) => void
}

export interface AttemptOutcome {
  readonly statistics: Statistics
  /** Attempts in flight when the run ended. */
  readonly waitingCount: number
}

/** Makes the attempts of a plan; stops at the first failure that every further attempt of this process would share. */
export async function makeAttempts(
  { protocol, target, options, count, intervalMs, delayMs = 0 }: AttemptPlan,
  { ended, onResult, onStray }: AttemptListener,
): Promise<AttemptOutcome> {
  const tally = createTally()
  const prober = createProber({
    onStray: (_, stray) => {
      tally.addStray(stray)
      onStray?.(stray)
    },
  })
  let startedCount = 0
  let endedCount = 0
  const onStart = () => {
    startedCount++
  }
  try {
    await sleep(delayMs, undefined, { signal: ended }).catch(() => {}) // aborted: no attempt starts
    const attempts = repeat(prober, { protocol, target, options }, { count, intervalMs, signal: ended, onStart })
    for await (const { number, result } of attempts) {
      endedCount++
      tally.add(result)
      onResult(result, number)
      if (!result.ok && isHopeless(result.failure.reason)) break
    }
  } finally {
    prober.close()
  }
  return { statistics: tally.statistics(), waitingCount: startedCount - endedCount }
}

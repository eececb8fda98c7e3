import { readFileSync } from 'node:fs'
import type { Lateness, ProberCounters } from '@scout/core'

/** Watches whether this agent gets the CPU it needs. */
interface LatenessWatch {
  /** Returns the lateness of the last minute; undefined until there is something to compare. */
  lateness(): Lateness | undefined
  stop(): void
}

interface LatenessOptions {
  readonly schedule: () => Pick<ProberCounters, 'started' | 'late' | 'skipped'>
  /** Returns the longest overdue heartbeat of a thread that probes. */
  readonly silentMs: () => number
  /** Returns the text of a file of the kernel; undefined if there is none. */
  readonly read?: (path: string) => string | undefined
  /** Monotonic clock. */
  readonly nowMs?: () => number
}

/** What has happened until a moment. */
interface Sample extends Pick<ProberCounters, 'started' | 'late' | 'skipped'> {
  readonly atMs: number
  /** Longest delay since the sample before. */
  readonly stalledMs: number
  readonly throttledMs: number | undefined
  /** Ticks of all CPUs, and those of them that the hypervisor gave to others. */
  readonly ticks: Ticks | undefined
}

interface Ticks {
  readonly all: number
  readonly stolen: number
}

const everyMs = 1_000
/** Heartbeats until a sample, and samples of a minute. */
const ticksOfSample = 5
const samplesOfSpan = 12

export function createLatenessWatch(options: LatenessOptions): LatenessWatch {
  const { schedule, silentMs, read = readIfPresent, nowMs = () => performance.now() } = options
  const samples: Sample[] = []
  let ticks = 0
  let tickedAtMs = nowMs()
  let stalledMs = 0

  const sample = (): Sample => {
    const { started, late, skipped } = schedule()
    return {
      atMs: nowMs(),
      started,
      late,
      skipped,
      stalledMs,
      throttledMs: throttledMsOf(read('/sys/fs/cgroup/cpu.stat')),
      ticks: ticksOf(read('/proc/stat')),
    }
  }

  const timer = setInterval(() => {
    const atMs = nowMs()
    stalledMs = Math.max(stalledMs, silentMs(), atMs - tickedAtMs - everyMs)
    tickedAtMs = atMs
    ticks++
    if (ticks % ticksOfSample !== 0) return
    samples.push(sample())
    if (samples.length > samplesOfSpan + 1) samples.shift()
    stalledMs = 0
  }, everyMs)
  timer.unref()

  return {
    lateness() {
      const [first] = samples
      return first === undefined ? undefined : latenessBetween(first, [...samples.slice(1), sample()])
    },
    stop: () => clearInterval(timer),
  }
}

function latenessBetween(first: Sample, samples: readonly Sample[]): Lateness {
  const last = samples.at(-1) ?? first
  const stolenRatio = stolenBetween(first.ticks, last.ticks)
  return {
    spanMs: Math.round(last.atMs - first.atMs),
    started: last.started - first.started,
    late: last.late - first.late,
    skipped: last.skipped - first.skipped,
    stalledMs: Math.round(Math.max(0, ...samples.map((one) => one.stalledMs))),
    ...(first.throttledMs === undefined || last.throttledMs === undefined
      ? {}
      : { throttledMs: Math.round(last.throttledMs - first.throttledMs) }),
    ...(stolenRatio === undefined ? {} : { stolenRatio }),
  }
}

function stolenBetween(first: Ticks | undefined, last: Ticks | undefined): number | undefined {
  if (first === undefined || last === undefined || last.all <= first.all) return undefined
  return Number(((last.stolen - first.stolen) / (last.all - first.all)).toFixed(3))
}

/** Reads `throttled_usec` (Linux, admin-guide/cgroup-v2, cpu.stat). */
function throttledMsOf(text: string | undefined): number | undefined {
  const found = text?.match(/^throttled_usec (\d+)$/m)?.[1]
  return found === undefined ? undefined : Number(found) / 1_000
}

/** Reads the first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal (proc_stat(5)). */
function ticksOf(text: string | undefined): Ticks | undefined {
  const line = text?.match(/^cpu +([\d ]+)$/m)?.[1]
  if (line === undefined) return undefined
  const ticks = line.split(' ').slice(0, 8).map(Number)
  return { all: ticks.reduce((sum, one) => sum + one, 0), stolen: ticks[7] ?? 0 }
}

function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

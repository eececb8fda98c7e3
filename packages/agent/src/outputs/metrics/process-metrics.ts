import { readdirSync, readFileSync } from 'node:fs'
import { constants, monitorEventLoopDelay, PerformanceObserver, performance } from 'node:perf_hooks'
import type { Metric } from './reading.ts'

/** Metrics of the process that every exporter has, under their usual names. */
export const processMetrics = [
  {
    name: 'process_cpu_seconds_total',
    help: 'CPU time of all threads.',
    type: 'counter',
    labels: [],
    read(_, write) {
      const { user, system } = process.cpuUsage()
      write((user + system) / 1e6)
    },
  },
  {
    name: 'process_resident_memory_bytes',
    help: 'Resident memory.',
    type: 'gauge',
    labels: [],
    read: (_, write) => write(process.memoryUsage.rss()),
  },
  {
    name: 'process_start_time_seconds',
    help: 'Start of the process, in seconds since 1970.',
    type: 'gauge',
    labels: [],
    read: ({ startedAtMs }, write) => write(startedAtMs / 1000),
  },
  {
    name: 'process_open_fds',
    help: 'Open file descriptors.',
    type: 'gauge',
    labels: [],
    read: (_, write) => writeFromProc(() => readdirSync('/proc/self/fd').length, write),
  },
  {
    name: 'process_max_fds',
    help: 'File descriptors that the process may have open.',
    type: 'gauge',
    labels: [],
    read: (_, write) =>
      writeFromProc(
        () => Number(/^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]),
        write,
      ),
  },
] as const satisfies readonly Metric[]

/** Writes what /proc says, which only Linux has. */
function writeFromProc(read: () => number, write: (value: number) => void): void {
  if (process.platform !== 'linux') return
  const value = read()
  if (Number.isFinite(value)) write(value)
}

const kinds = new Map([
  [constants.NODE_PERFORMANCE_GC_MINOR, 'minor'],
  [constants.NODE_PERFORMANCE_GC_MAJOR, 'major'],
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL, 'incremental'],
  [constants.NODE_PERFORMANCE_GC_WEAKCB, 'weakcb'],
])

const quantiles = [0.5, 0.99, 1]

/**
 * Returns metrics of Node's main thread. They are not for every agent: the kernel stamps packets, so a late event loop is not in the results, and
 * the timer that measures it wakes an idle process a hundred times a second.
 */
export function createRuntimeMetrics(): readonly Metric[] {
  const delays = monitorEventLoopDelay({ resolution: 10 })
  delays.enable()
  const collections = new Map([...kinds.values()].map((kind) => [kind, { runs: 0, seconds: 0 }]))
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const counts = collections.get(kindOf(entry))
      if (counts === undefined) continue
      counts.runs++
      counts.seconds += entry.duration / 1000
    }
  })
  observer.observe({ entryTypes: ['gc'] })
  return [
    {
      name: 'nodejs_heap_size_bytes',
      help: 'Heap of the main thread: total; used.',
      type: 'gauge',
      labels: ['state'],
      read(_, write) {
        const { heapTotal, heapUsed } = process.memoryUsage()
        write(heapTotal, { state: 'total' })
        write(heapUsed, { state: 'used' })
      },
    },
    {
      name: 'nodejs_eventloop_seconds_total',
      help: 'Time of the main thread: active, in which its event loop ran something; idle.',
      type: 'counter',
      labels: ['state'],
      read(_, write) {
        const { active, idle } = performance.eventLoopUtilization()
        write(active / 1000, { state: 'active' })
        write(idle / 1000, { state: 'idle' })
      },
    },
    {
      name: 'nodejs_eventloop_delay_seconds',
      help: 'Delay of a timer in the main thread since the last scrape or export, by quantile.',
      type: 'gauge',
      labels: ['quantile'],
      read(_, write) {
        if (delays.count === 0) return
        for (const quantile of quantiles) {
          write(delays.percentile(quantile * 100) / 1e9, { quantile: String(quantile) })
        }
        delays.reset()
      },
    },
    {
      name: 'nodejs_gc_runs_total',
      help: 'Garbage collections of the main thread.',
      type: 'counter',
      labels: ['kind'],
      read(_, write) {
        for (const [kind, { runs }] of collections) write(runs, { kind })
      },
    },
    {
      name: 'nodejs_gc_duration_seconds_total',
      help: 'Time that garbage collections of the main thread took.',
      type: 'counter',
      labels: ['kind'],
      read(_, write) {
        for (const [kind, { seconds }] of collections) write(seconds, { kind })
      },
    },
  ]
}

function kindOf(entry: object): string {
  const detail = 'detail' in entry ? entry.detail : undefined
  const hasKind = typeof detail === 'object' && detail !== null && 'kind' in detail
  return (hasKind && typeof detail.kind === 'number' ? kinds.get(detail.kind) : undefined) ?? ''
}

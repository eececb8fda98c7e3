// What a process uses, as the kernel counts it (proc(5)).

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'

/** @typedef {{ name: string, cpuNs: number, switches: number }} ThreadUsage */

/**
 * Returns every thread of a process by its number: name, time on a processor, voluntary context switches (a wake-up each).
 *
 * @param {number} pid
 * @returns {Map<string, ThreadUsage>}
 */
export function threadsOf(pid) {
  return new Map(
    readdirSync(`/proc/${pid}/task`).flatMap((thread) => {
      const folder = `/proc/${pid}/task/${thread}`
      try {
        const name = thread === String(pid) ? 'main' : readFileSync(`${folder}/comm`, 'utf8').trim()
        const cpuNs = Number(readFileSync(`${folder}/schedstat`, 'utf8').split(' ')[0])
        const status = readFileSync(`${folder}/status`, 'utf8')
        const switches = Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1])
        return [[thread, { name, cpuNs, switches }]]
      } catch {
        return [] // ended in the meantime
      }
    }),
  )
}

/**
 * Returns the difference of two readings, summed by name. A thread that ended in between is missing.
 *
 * @param {ReadonlyMap<string, ThreadUsage>} before
 * @param {ReadonlyMap<string, ThreadUsage>} after
 */
export function usedBetween(before, after) {
  /** @type {Map<string, Omit<ThreadUsage, 'name'>>} */
  const byName = new Map()
  for (const [thread, { name, cpuNs, switches }] of after) {
    const known = byName.get(name) ?? { cpuNs: 0, switches: 0 }
    byName.set(name, {
      cpuNs: known.cpuNs + cpuNs - (before.get(thread)?.cpuNs ?? 0),
      switches: known.switches + switches - (before.get(thread)?.switches ?? 0),
    })
  }
  return byName
}

/** Returns the time that the main thread of a process has spent on a processor. */
export function mainThreadCpuMs(/** @type {number} */ pid) {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6
}

/**
 * Returns the memory of a process. Private is Private_Dirty and Private_Clean without clean pages of files: Node's own 50 MiB are private
 * only where no other process runs the same file, as here. Resident includes all pages.
 *
 * @param {number} pid
 */
export function memoryOf(pid) {
  const total = { privateMib: 0, residentMib: 0 }
  // A mapping of a file has a path at the end of its first line; the lines after it start with a name.
  let isFile = false
  for (const line of readFileSync(`/proc/${pid}/smaps`, 'utf8').split('\n')) {
    const [, name, kib] = /^(\w+): +(\d+) kB$/.exec(line) ?? []
    if (name === undefined) {
      if (/^[\da-f]+-[\da-f]+ /.test(line)) isFile = / \//.test(line)
    } else if (name === 'Rss') total.residentMib += Number(kib) / 1024
    else if (name === 'Private_Dirty' || (name === 'Private_Clean' && !isFile)) total.privateMib += Number(kib) / 1024
  }
  return total
}

/** Returns the most that a process ever had resident, in MiB. */
export function peakResidentMib(/** @type {number} */ pid) {
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}

/**
 * Counts the system calls of a process for some seconds; undefined where strace is not installed or may not trace. It stops the process
 * at every call, so nothing else should be measured meanwhile.
 *
 * @param {number} pid
 * @param {number} seconds
 * @returns {Promise<{ epollPerSecond: number, allPerSecond: number } | undefined>}
 */
export async function systemCallsOf(pid, seconds) {
  const child = spawn('strace', ['-c', '-f', '-p', String(pid)], { stdio: ['ignore', 'ignore', 'pipe'] })
  let summary = ''
  child.stderr.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
    summary += text
  })
  const timer = setTimeout(() => child.kill('SIGINT'), seconds * 1000)
  try {
    await once(child, 'close')
  } catch {
    return undefined // not installed
  } finally {
    clearTimeout(timer)
  }
  // "% time, seconds, µs a call, calls, errors (may be empty), name", and a line for the total.
  const rows = Array.from(summary.matchAll(/^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$/gm))
  const calls = rows.map(([, count, name = '']) => ({ name, perSecond: Number(count) / seconds }))
  const total = calls.find(({ name }) => name === 'total')
  if (total === undefined) return undefined
  const epoll = calls.filter(({ name }) => /^epoll_p?wait/.test(name))
  return {
    epollPerSecond: epoll.reduce((sum, { perSecond }) => sum + perSecond, 0),
    allPerSecond: total.perSecond,
  }
}

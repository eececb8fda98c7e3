import { readdirSync, readFileSync } from 'node:fs'

/** Descriptors that clients leave to the rest of this process, for its probes and files. */
const spare = 32
/** Connections that a server may always have. */
const least = 4
/** Limit on descriptors from which clients cannot use them up. */
const plenty = 16_384

/**
 * Returns a function from the number of connections of a server to how many it may have, so that clients do not take the descriptors that
 * this process needs: a quarter of them, and half of what others leave, because there is another server.
 */
export function roomForConnections(): (own: number) => number {
  const limit = descriptorLimit()
  if (limit >= plenty) return () => Number.POSITIVE_INFINITY
  return (own) => {
    if (own < least) return least
    const ofOthers = openDescriptors() - own
    return Math.max(least, Math.floor(Math.min(limit / 4, (limit - ofOthers - spare) / 2)))
  }
}

/** Returns how many files this process may have open (proc_pid_limits(5)); no limit where the host does not report it. */
function descriptorLimit(): number {
  try {
    return Number(
      /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? Number.POSITIVE_INFINITY,
    )
  } catch {
    return Number.POSITIVE_INFINITY // not Linux
  }
}

/** Returns how many files this process has open; without a descriptor to look at them, all that it may have. */
function openDescriptors(): number {
  try {
    return readdirSync('/proc/self/fd').length
  } catch {
    return Number.POSITIVE_INFINITY
  }
}

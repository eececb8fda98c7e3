import { readFileSync } from 'node:fs'
import { isSystemError } from '../../model/failure.ts'

const systemPath = '/etc/resolv.conf'

/** Entries of a resolv.conf file, in order. */
interface ResolvConf {
  readonly nameServers: readonly string[]
  readonly searchDomains: readonly string[]
}

/** Returns a function for the default name server: the given one, or the first of /etc/resolv.conf, read on each call. */
export function nameServerOrSystem(given?: string): () => string {
  return () => given ?? firstNameServer(systemPath)
}

/** Returns the first name server of a file; this host if the file has none or does not exist (resolv.conf(5)). */
export function firstNameServer(path: string): string {
  return readResolvConf(path).nameServers[0] ?? '127.0.0.1'
}

/** Reads the resolver's configuration. A missing file counts as empty. */
export function readResolvConf(path = systemPath): ResolvConf {
  const entries = readIfThere(path)
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
  return {
    nameServers: entries.flatMap(([keyword, server]) =>
      keyword === 'nameserver' && server !== undefined ? [server] : [],
    ),
    // "domain" is the older keyword for a single search domain. The last entry wins.
    searchDomains: entries.findLast(([keyword]) => keyword === 'search' || keyword === 'domain')?.slice(1) ?? [],
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (isSystemError(error)) return ''
    throw error
  }
}

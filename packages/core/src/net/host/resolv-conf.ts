import { readFileSync } from 'node:fs'
import { isSystemError } from '../../model/failure.ts'

const systemPath = '/etc/resolv.conf'

/** What a resolv.conf file configures, in its order. */
interface ResolvConf {
  readonly nameServers: readonly string[]
  readonly searchDomains: readonly string[]
}

/** Returns the name server of DNS targets that name none: the given one, or the system's first, read at each call. */
export function nameServerOrSystem(given?: string): () => string {
  return () => given ?? firstNameServer(systemPath)
}

/** Returns this host where the file names none or does not exist (resolv.conf(5)). */
export function firstNameServer(path: string): string {
  return readResolvConf(path).nameServers[0] ?? '127.0.0.1'
}

/** Reads the resolver's configuration; a file that does not exist configures nothing. */
export function readResolvConf(path = systemPath): ResolvConf {
  const entries = readIfThere(path)
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
  return {
    nameServers: entries.flatMap(([keyword, server]) =>
      keyword === 'nameserver' && server !== undefined ? [server] : [],
    ),
    // "domain" is an older word for a list of one; of several entries the last counts.
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

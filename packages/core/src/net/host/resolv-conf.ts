import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { mostNameServers } from '../../model/endpoint.ts'
import { isShortage, isSystemError } from '../../model/failure.ts'

const systemPath = '/etc/resolv.conf'

/** Entries of a resolv.conf file, in order, with the defaults of resolv.conf(5). */
export interface ResolvConf {
  readonly nameServers: readonly string[]
  readonly searchDomains: readonly string[]
  /** Names with at least this many dots are queried as they are before the search domains are appended. */
  readonly dots: number
  /** Time for the answer of one name server in the first round. */
  readonly timeoutMs: number
  /** Rounds through all name servers. */
  readonly attempts: number
}

/** Returns a function for the default name server: the given one, or the first of /etc/resolv.conf, read on each call where possible. */
export function nameServerOrSystem(given?: string): () => string {
  const servers = systemNameServers()
  return () => given ?? servers()[0] ?? thisHost
}

/** Returns a function for the name servers of /etc/resolv.conf that applications ask, read on each call where possible. */
export function systemNameServers(): () => readonly string[] {
  let last: readonly string[] = [thisHost]
  return () => {
    try {
      last = nameServersOf(readResolvConf())
    } catch (error) {
      if (!isShortage(error)) throw error
    }
    return last
  }
}

/** Returns the name servers that applications ask: this host if there is no entry. */
export function nameServersOf({ nameServers }: ResolvConf): readonly string[] {
  return nameServers.length === 0 ? [thisHost] : nameServers.slice(0, mostNameServers)
}

/** The name server without a `nameserver` entry. */
const thisHost = '127.0.0.1'

/** Reads the resolver's configuration. A missing file counts as empty. */
export function readResolvConf(path = systemPath): ResolvConf {
  const entries = readIfThere(path)
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
  const options = entries.flatMap(([keyword, ...words]) => (keyword === 'options' ? words : []))
  const option = (name: string, preset: number, most: number) => {
    const [, digits] = options.findLast((word) => word.startsWith(`${name}:`))?.split(':') ?? []
    return digits !== undefined && /^\d+$/.test(digits) ? Math.min(Number(digits), most) : preset
  }
  return {
    nameServers: entries.flatMap(([keyword, server]) =>
      keyword === 'nameserver' && server !== undefined ? [server] : [],
    ),
    // "domain" is the older keyword for a single search domain. The last entry wins.
    searchDomains: entries.findLast(([keyword]) => keyword === 'search' || keyword === 'domain')?.slice(1) ?? [],
    dots: option('ndots', 1, 15),
    timeoutMs: Math.max(1, option('timeout', 5, 30)) * 1_000,
    attempts: Math.max(1, option('attempts', 2, 5)),
  }
}

/** Returns the names to query for a name, in the order of glibc (resolv/res_query.c, `__res_context_search`). */
export function candidatesFor(name: string, { searchDomains, dots }: ResolvConf): readonly string[] {
  if (name.endsWith('.')) return [name.slice(0, -1)]
  const [, ownDomain] = /\.(.+)$/.exec(hostname()) ?? []
  const domains = searchDomains.length > 0 || ownDomain === undefined ? searchDomains : [ownDomain]
  const searched = domains.map((domain) =>
    [name, domain.replace(/^\.|\.$/g, '')].filter((part) => part !== '').join('.'),
  )
  const count = name.split('.').length - 1
  return [...new Set(count >= dots ? [name, ...searched] : [...searched, name])]
}

/** Returns the content of a file of the system; nothing if it cannot be read. Throws the error if this process cannot open any file. */
export function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (isSystemError(error) && !isShortage(error)) return ''
    throw error
  }
}

import { NODATA, NOTFOUND, Resolver } from 'node:dns/promises'
import { closeSync, openSync } from 'node:fs'
import type { Family } from '../../model/endpoint.ts'
import { isSystemError } from '../../model/failure.ts'
import { candidatesFor, nameServersOf, type ResolvConf } from './resolv-conf.ts'

/*
 * Asks the name servers of this host as glibc does (resolv/res_query.c, resolv/res_send.c): the same names in the same order, one server
 * after the other, and the same timeouts. getaddrinfo itself cannot be cancelled and blocks one of the four threads of libuv's pool for
 * as long as a server is silent, and it reports SERVFAIL, REFUSED and silence alike. Each query has its own channel of c-ares, so no
 * query waits for another.
 */

/** What a name server said instead of an address: an RCODE (RFC 1035 §4.1.1), NODATA for none, or the code of a system error. */
export interface Refusal {
  readonly code: string
  readonly server: string
  /** Name that was queried, with its search domain. */
  readonly name: string
  readonly family: Family
}

export interface Answer {
  readonly addresses: readonly string[]
  /** One for each server and family without an address, the last one last. */
  readonly refusals: readonly Refusal[]
}

interface Asking {
  readonly families: readonly Family[]
  readonly conf: ResolvConf
  /** Ends all queries. Servers that have not answered by then are silent. */
  readonly signal: AbortSignal
}

/** Queries a name with its search domains, until one of them has an address. */
export async function askNameServers(name: string, asking: Asking): Promise<Answer> {
  let withoutData: readonly Refusal[] | undefined
  let last: readonly Refusal[] = []
  for (const candidate of candidatesFor(name, asking.conf)) {
    const answers = await Promise.all(asking.families.map((family) => askAll({ name: candidate, family }, asking)))
    const addresses = answers.flatMap((answer) => answer.addresses)
    const refusals = answers.flatMap((answer) => answer.refusals)
    if (asking.signal.aborted) return { addresses: [], refusals }
    if (addresses.length > 0) return { addresses, refusals }
    last = refusals
    // That the name exists is worth more than that a longer one does not.
    if (refusals.some(({ code }) => code === codes.noData)) withoutData ??= refusals
    if (!refusals.every(({ code }) => searchesOn.has(code))) break
  }
  return { addresses: [], refusals: withoutData ?? last }
}

export const codes = {
  noData: 'NODATA',
  noName: 'NXDOMAIN',
  silent: 'ETIMEDOUT',
  unreachable: 'ECONNREFUSED',
  malformed: 'EBADRESP',
} as const

/** Codes of c-ares (https://nodejs.org/api/dns.html#error-codes) that mean something else here, or are named otherwise by DNS. */
const renamed: Readonly<Record<string, string>> = {
  [NODATA]: codes.noData,
  [NOTFOUND]: codes.noName,
  ESERVFAIL: 'SERVFAIL',
  EREFUSED: 'REFUSED',
  EFORMERR: 'FORMERR',
  ENOTIMP: 'NOTIMP',
  ETIMEOUT: codes.silent,
  ECANCELLED: codes.silent,
}

/** Answers after which glibc tries the next server. */
const isOfOneServer: ReadonlySet<string> = new Set(['SERVFAIL', 'REFUSED', 'NOTIMP', codes.silent, codes.unreachable])

/** Answers after which glibc tries the next search domain. */
export const searchesOn: ReadonlySet<string> = new Set([codes.noData, codes.noName, 'SERVFAIL'])

type Query = Pick<Refusal, 'name' | 'family'>

async function askAll(query: Query, { conf, signal }: Asking): Promise<Answer> {
  const servers = nameServersOf(conf)
  const refusals = new Map<string, Refusal>()
  for (let round = 0; round < conf.attempts; round++) {
    const timeoutMs =
      round === 0 ? conf.timeoutMs : Math.max(1_000, Math.floor((conf.timeoutMs << round) / servers.length))
    for (const server of servers) {
      const answer = await askOne(query, { server, timeoutMs, signal })
      if (typeof answer !== 'string') return { addresses: answer, refusals: [] }
      refusals.delete(server)
      refusals.set(server, { code: answer, server, ...query })
      if (signal.aborted || !isOfOneServer.has(answer)) return { addresses: [], refusals: [...refusals.values()] }
    }
  }
  return { addresses: [], refusals: [...refusals.values()] }
}

interface Asked {
  readonly server: string
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** Returns the addresses, or the code of the refusal. Rejects with the error if this process cannot open a descriptor. */
async function askOne(
  { name, family }: Query,
  { server, timeoutMs, signal }: Asked,
): Promise<readonly string[] | string> {
  if (signal.aborted) return codes.silent
  const resolver = new Resolver({ timeout: timeoutMs, tries: 1 })
  const cancel = () => resolver.cancel()
  signal.addEventListener('abort', cancel)
  try {
    // An address with a zone cannot be set, but c-ares reads it in resolv.conf itself.
    if (!server.includes('%')) resolver.setServers([server])
    const addresses = await (family === 'ipv4' ? resolver.resolve4(name) : resolver.resolve6(name))
    // c-ares takes an alias that leads to no address for an answer.
    return addresses.length > 0 ? addresses : codes.noData
  } catch (error) {
    // Node's own errors are about text in resolv.conf that is no address.
    const code = isSystemError(error) ? (renamed[error.code] ?? error.code) : codes.unreachable
    // c-ares says the same if it can open no socket.
    if (code === codes.unreachable) closeSync(openSync('/dev/null', 'r'))
    return code
  } finally {
    signal.removeEventListener('abort', cancel)
  }
}

import { lookup } from 'node:dns/promises'
import { type Address, canonicalAddress } from '../../model/address.ts'
import { type Endpoint, type Family, familyNames } from '../../model/endpoint.ts'
import { FailureError, failureErrorOf, isSystemError } from '../../model/failure.ts'
import { sortedAddresses } from './address-order.ts'
import { addressesInHosts } from './hosts-file.ts'
import { askNameServers, codes, type Refusal } from './name-servers.ts'
import { addressesElsewhere } from './other-sources.ts'
import { readResolvConf } from './resolv-conf.ts'

export type FamilyChoice = Family | 'any'

/**
 * Resolves a name to its addresses, at least one, in the order in which applications on this host try them. Rejects with a `FailureError`
 * of reason `unresolved`, also when the signal aborts before that, or `local-error` if this process can open no descriptor.
 */
export type ResolveName = (name: string, family: FamilyChoice, signal: AbortSignal) => Promise<readonly Address[]>

/** Returns the endpoint of a host that is an address, in canonical form; undefined if the host is a name. */
export function literalEndpoint(host: string, choice: FamilyChoice, port: number | undefined): Endpoint | undefined {
  const address = canonicalAddress(host)
  if (address === undefined) return undefined
  const { family } = address
  if (choice !== 'any' && choice !== family) {
    throw new FailureError(
      'unresolved',
      `${host} is an ${familyNames[family]} address, but ${familyNames[choice]} was requested`,
    )
  }
  return { host, ...address, ...(port === undefined ? {} : { port }) }
}

/**
 * Resolves as getaddrinfo does, by the hosts file, the name servers with their search domains, and any other source of this host. Unlike
 * getaddrinfo, it ends with its signal and blocks nothing.
 */
export const resolveBySystem: ResolveName = async (name, choice, signal) => {
  try {
    return await resolved(name, choice, signal)
  } catch (error) {
    throw failureErrorOf(error, `resolving ${name}`)
  }
}

const resolved: ResolveName = async (name, choice, signal) => {
  if (process.platform !== 'linux') return lookedUp(name, choice)
  const isWanted = ({ family }: Address) => choice === 'any' || choice === family
  const listed = addressesInHosts(name).filter(isWanted)
  if (listed.length > 0) return sortedAddresses(distinct(listed))
  const families: readonly Family[] = choice === 'any' ? ['ipv4', 'ipv6'] : [choice]
  const { addresses, refusals } = await askNameServers(name, { families, conf: readResolvConf(), signal })
  const found = addresses.flatMap((text) => canonicalAddress(text) ?? []).filter(isWanted)
  if (found.length > 0) return sortedAddresses(distinct(found))
  const elsewhere = signal.aborted ? [] : (await addressesElsewhere(name, signal)).filter(isWanted)
  if (elsewhere.length > 0) return distinct(elsewhere)
  throw unresolved({ name, choice }, refusals)
}

function distinct(addresses: readonly Address[]): readonly Address[] {
  return [...new Map(addresses.map((one) => [one.address, one])).values()]
}

/** Resolves where the system's configuration is not in these files. */
async function lookedUp(name: string, choice: FamilyChoice): Promise<readonly Address[]> {
  try {
    const family = choice === 'any' ? 0 : choice === 'ipv4' ? 4 : 6
    const found = await lookup(name, { family, all: true, order: 'verbatim' })
    return found.flatMap(({ address }) => canonicalAddress(address) ?? [])
  } catch (error) {
    if (!isSystemError(error)) throw error
    const { code } = error
    throw new FailureError('unresolved', `cannot resolve ${name}: ${code}`, { cause: error, code })
  }
}

interface Wanted {
  readonly name: string
  readonly choice: FamilyChoice
}

/** Returns the failure in one sentence: what each name server said, and what to do about it. */
function unresolved({ name, choice }: Wanted, refusals: readonly Refusal[]): FailureError {
  const what = choice === 'any' ? 'address' : `${familyNames[choice]} address`
  // A family without addresses says less than one that is unknown.
  const certain: ReadonlySet<string> = new Set([codes.noName, codes.noData])
  const { code = codes.silent } = refusals.findLast((one) => !certain.has(one.code)) ?? refusals.at(-1) ?? {}
  const said = new Map<string, Refusal[]>()
  for (const refusal of refusals) {
    const key = `${refusal.server} ${refusal.code}`
    said.set(key, [...(said.get(key) ?? []), refusal])
  }
  const sentences = [...said.values()].map((alike) => sayingOf(alike, { name, choice }))
  const advice = adviceOn[code]
  return new FailureError(
    'unresolved',
    `cannot resolve ${name} to an ${what}: ${sentences.join(', ')}${advice === undefined ? '' : ` (${advice(what)})`}`,
    { code },
  )
}

/** Returns what one server said, of both families or only of one. */
function sayingOf(alike: readonly Refusal[], { name, choice }: Wanted): string {
  const [refusal] = alike
  if (refusal === undefined) return ''
  const { code, server, name: candidate, family } = refusal
  const isPartial = choice === 'any' && alike.length === 1
  const about = [
    ...(isPartial ? [`${familyNames[family]} addresses`] : []),
    // After NXDOMAIN, every search domain was tried.
    ...(code === codes.noName || candidate === name.replace(/\.$/, '') ? [] : [candidate]),
  ]
  const query = about.length === 0 ? '' : ` the query for ${about.join(' of ')}`
  switch (code) {
    case codes.silent:
      return `${server} did not answer${query} in time`
    case codes.unreachable:
      return `${server} could not be reached`
    case codes.malformed:
      return `${server} answered${query} with a malformed message`
    default:
      return `${server} answered${query}${query === '' ? '' : ' with'} ${code}`
  }
}

const adviceOn: Readonly<Record<string, (what: string) => string>> = {
  [codes.noName]: () => 'no such name: check its spelling, namespace and search domains',
  [codes.noData]: (what) => `the name exists, but has no ${what}`,
  SERVFAIL: () => 'the server failed to find out: check its log and its upstream servers',
  REFUSED: () => 'the server does not serve this client or zone: check its access lists',
  FORMERR: () => 'the server could not read the query: a device on the path may have altered it',
  NOTIMP: () => 'the server does not support this kind of query',
  [codes.silent]: () => 'check /etc/resolv.conf and the path to the server with scout-probe dns',
  [codes.unreachable]: () => 'nothing listens there, or this host has no route to it: check /etc/resolv.conf',
}

import {
  canonicalAddress,
  FailureError,
  nameServersOf,
  type ResolveName,
  readResolvConf,
  resolveBySystem,
  type TargetForm,
} from '@scout/core'

export interface AddressQuery {
  readonly host: string
  readonly family: Parameters<ResolveName>[1]
  readonly timeoutMs: number
  readonly ended: AbortSignal
}

/** The option of an attempt that selects an address. */
type Selection = { readonly address: string } | Readonly<Record<string, never>>

/**
 * Returns one selection for each address of a name, in the order in which applications try them. A single empty one for an address, and
 * for a name that cannot be resolved: its attempts then say why.
 */
export async function addressesOf({ host, family, timeoutMs, ended }: AddressQuery): Promise<readonly Selection[]> {
  if (canonicalAddress(host) !== undefined) return [{}]
  try {
    const found = await resolveBySystem(host, family, AbortSignal.any([ended, AbortSignal.timeout(timeoutMs)]))
    return found.map(({ address }) => ({ address }))
  } catch (error) {
    if (error instanceof FailureError) return [{}]
    throw error
  }
}

/** Returns the targets that a written one means: a query without a server is for each name server of this host, in their order. */
export function targetsOf(written: string, form: TargetForm, family: AddressQuery['family']): readonly string[] {
  if (form !== 'name@server' || written.includes('@')) return [written]
  const servers = nameServersOf(readResolvConf())
  const wanted = servers.filter((server) => family === 'any' || canonicalAddress(server)?.family === family)
  return wanted.length === 0 ? [written] : wanted.map((server) => `${written.trim()}@${server}`)
}

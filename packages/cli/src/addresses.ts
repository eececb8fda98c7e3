import { canonicalAddress, FailureError, type ResolveName, resolveBySystem } from '@scout/core'

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

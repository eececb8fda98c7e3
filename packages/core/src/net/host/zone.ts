import { networkInterfaces } from 'node:os'
import { splitZone, whyUnusable } from '../../model/address.ts'
import type { Endpoint } from '../../model/endpoint.ts'
import { FailureError } from '../../model/failure.ts'

/**
 * Returns the endpoint with its zone as `form` of the interface: the native part takes indexes, Node takes names. Interfaces are those of
 * the network namespace that this thread is in, where an interface may have another index than elsewhere.
 * @throws {FailureError} local-error if there is no such interface, or if the address cannot be that of one host
 */
export function withZone(endpoint: Endpoint, form: 'index' | 'name'): Endpoint {
  const { address, family } = endpoint
  const { bare, zone } = splitZone(address)
  if (zone === undefined) {
    // A name may resolve to such an address. In a target, it is misuse.
    const why = whyUnusable({ address, family })
    if (why !== undefined) throw new FailureError('local-error', `cannot send to ${address}: ${why}`)
    return endpoint
  }
  const found = linkLocalInterfaces().find(({ name, index }) => name === zone || String(index) === zone)
  if (found !== undefined) return { ...endpoint, address: `${bare}%${found[form]}` }
  throw new FailureError(
    'local-error',
    `cannot send to ${address}: there is no interface ${zone} here that is up and has a link-local address (see ip -6 address)`,
    { code: 'ENODEV' },
  )
}

function linkLocalInterfaces() {
  return Object.entries(networkInterfaces()).flatMap(([name, addresses = []]) =>
    addresses.flatMap(({ scopeid = 0 }) => (scopeid === 0 ? [] : [{ name, index: scopeid }])),
  )
}

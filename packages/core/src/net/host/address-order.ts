import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { BlockList, isIPv4 } from 'node:net'
import { type Address, isLinkLocal } from '../../model/address.ts'
import { familyOf } from '../../model/endpoint.ts'

/*
 * The order in which applications try the addresses of a name: that of RFC 6724 §6, with the table of glibc
 * (sysdeps/posix/getaddrinfo.c). Rule 9, the longest common prefix, is left out: it would undo the rotation of name servers.
 */

/** An address, and the one that this host would send from; undefined if it has no route. */
interface Candidate {
  readonly to: Address
  readonly from: string | undefined
}

/** Sorts addresses as getaddrinfo does. Sends nothing. */
export async function sortedAddresses(addresses: readonly Address[]): Promise<readonly Address[]> {
  if (addresses.length < 2) return addresses
  const candidates = await Promise.all(addresses.map(async (to) => ({ to, from: await sourceFor(to) })))
  return candidates.toSorted(compare).map(({ to }) => to)
}

/** Rules 1, 2, 5, 6 and 8. */
function compare(a: Candidate, b: Candidate): number {
  const wins = (is: (candidate: Candidate) => boolean) => Number(is(b)) - Number(is(a))
  return (
    wins(({ from }) => from !== undefined) ||
    wins(({ to, from }) => from !== undefined && scopeOf(to.address) === scopeOf(from)) ||
    wins(({ to, from }) => from !== undefined && policyOf(to.address).label === policyOf(from).label) ||
    policyOf(b.to.address).precedence - policyOf(a.to.address).precedence ||
    scopeOf(a.to.address) - scopeOf(b.to.address)
  )
}

/** Connecting a datagram socket makes the kernel choose a route and a source address, and sends nothing. */
async function sourceFor({ address, family }: Address): Promise<string | undefined> {
  const socket = createSocket(family === 'ipv4' ? 'udp4' : 'udp6')
  try {
    socket.connect(discardPort, address)
    await once(socket, 'connect')
    return socket.address().address
  } catch {
    return undefined // there is no route or no source address, which is what was asked
  } finally {
    socket.close()
  }
}

/** RFC 863. */
const discardPort = 9

/** Scopes of RFC 4007 as numbers of RFC 4291 §2.7; IPv4 by RFC 6724 §3.2. */
function scopeOf(address: string): number {
  const isLocal = isIPv4(address) ? /^(127|169\.254)\./.test(address) : address === '::1' || isLinkLocal(address)
  if (isLocal) return 2
  return /^fe[c-f]/.test(address) ? 5 : 14
}

interface Policy {
  readonly precedence: number
  readonly label: number
}

const ipv4: Policy = { precedence: 10, label: 4 }
const ipv6: Policy = { precedence: 40, label: 1 }

/** Longest prefix first. */
const policies: readonly (readonly [prefix: string, bits: number, policy: Policy])[] = [
  ['::1', 128, { precedence: 50, label: 0 }],
  ['::', 96, { precedence: 20, label: 3 }],
  ['2001::', 32, { precedence: 40, label: 7 }],
  ['2002::', 16, { precedence: 30, label: 2 }],
  ['fec0::', 10, { precedence: 40, label: 5 }],
  ['fc00::', 7, { precedence: 40, label: 6 }],
]

function policyOf(address: string): Policy {
  if (familyOf(address) === 'ipv4') return ipv4
  const [bare = ''] = address.split('%', 1)
  const found = policies.find(([prefix, bits]) => {
    const block = new BlockList()
    block.addSubnet(prefix, bits, 'ipv6')
    return block.check(bare, 'ipv6')
  })
  return found?.[2] ?? ipv6
}

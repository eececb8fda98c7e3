import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { formatHostPort, type Prober } from '@scout/core'
import { familyOf } from './check.ts'
import type { Peer } from './peer.ts'
import type { Self } from './snapshot.ts'

/** Path on the responder where a peer says that it is about to stop. */
export const goodbyePath = '/goodbye'

/** Long enough for one lost SYN, short enough for a pod's grace period. */
const timeoutMs = 1_500

/** Tells every peer at once that this agent stops. Who cannot be reached learns it from discovery. */
export async function sayGoodbye(prober: Prober, self: Self, peers: Iterable<Peer>): Promise<void> {
  const query = new URLSearchParams({
    name: self.name,
    ...(self.namespace === undefined ? {} : { namespace: self.namespace }),
  })
  const own = new Set(self.addresses.map(familyOf))
  await Promise.all(
    [...peers].map(async ({ addresses, port }) => {
      const address = addresses.find((candidate) => own.has(familyOf(candidate))) ?? addresses[0]
      if (address === undefined) return
      await prober.probe('http', `http://${formatHostPort(address, port)}${goodbyePath}?${query.toString()}`, {
        method: 'POST',
        timeoutMs,
      })
    }),
  )
}

/** The peer that says goodbye with this request. Only its own address, or this host, may say so for it. */
export function goodbyeFrom({ url = '/', socket }: IncomingMessage, peers: Iterable<Peer>): Peer | undefined {
  const { searchParams } = new URL(url, 'http://scout')
  // A socket of both families shows IPv4 clients as ::ffff:10.0.0.1 (RFC 4291 §2.5.5.2).
  const from = (socket.remoteAddress ?? '').replace(/^::ffff:/i, '')
  return [...peers].find(
    ({ name, namespace, addresses }) =>
      name === searchParams.get('name') &&
      (namespace ?? null) === searchParams.get('namespace') &&
      (addresses.includes(from) || isLoopback(from)),
  )
}

function isLoopback(address: string): boolean {
  return address === '::1' || (isIP(address) === 4 && address.startsWith('127.'))
}

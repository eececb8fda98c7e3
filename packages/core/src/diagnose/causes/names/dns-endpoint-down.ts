import { both, type Cause, evenly, isDns, isDnsPod, isDnsUsual, isOld, surely, type Variant } from '../../cause.ts'
import type { Aspect, Fact, Symptom } from '../../evidence.ts'
import { listed } from '../../explain/words.ts'
import { isByAddress, repeated, seenOf } from '../parts.ts'

/** Nodes send a flow to one server as long as it lasts. */
const isOfDeadServer = both(isOld, ({ protocol }) => protocol === 'dns')

const ways = ['silent', 'unreachable', 'refused', 'prohibited', 'wrong', 'lossy'] as const

const silence = ['does not answer', 'do not answer'] as const
const verbs: Readonly<Partial<Record<Symptom, readonly [one: string, several: string]>>> = {
  refused: ['refuses queries', 'refuse queries'],
  wrong: ['answers with errors', 'answer with errors'],
  lossy: ['loses queries', 'lose queries'],
}

export const dnsEndpointDown: Cause = {
  name: 'dns-endpoint-down',
  scopes: ['name-server'],
  severity: 'critical',
  rarity: 0.5,
  because: 'one of its servers is down',
  means: 'One of several name servers behind an address does not answer.',
  shows: 'A constant share of the queries through the address is lost, from every node.',
  usually: [
    'a CoreDNS pod that hangs but is still ready',
    'a policy or security group that admits queries on some of the nodes that run CoreDNS',
    'a node with CoreDNS that was lost and is still in the EndpointSlice',
  ],
  remedy: 'Query each CoreDNS pod directly, and delete the one that is silent.',
  variants: (failing) => [
    // Where the servers are asked one by one, this is seen before chance tells how much is lost through their address.
    ...serversIn(failing).map((server): Variant => {
      const isServer = (aspect: Aspect) => isDnsPod(aspect) && aspect.server === server
      return {
        id: `direct ${server}`,
        lines: [
          surely(isServer, ...seenOf(failing.filter(isServer), ways)),
          evenly(isByAddress, 'passes', 'lossy', 'silent'),
          evenly(isOfDeadServer, 'forgotten'),
        ],
        direction: 'none',
      }
    }),
    {
      id: 'all',
      lines: [surely(isDnsUsual, 'lossy'), evenly(isDns, 'lossy', 'silent'), evenly(isOfDeadServer, 'forgotten')],
      direction: 'none',
    },
  ],
  says({ where, failing, passing }) {
    const servers = serversIn(failing)
    if (servers.length === 0 || !passing.some(isDnsPod))
      return `a part of the queries to ${where} is lost, as if one of its servers were down`
    const [one, several] = verbs[failing.find(isDnsPod)?.symptom ?? 'silent'] ?? silence
    // It may be down before anything is lost through the address, and kube-proxy may know it by then.
    const effect = failing.some(isByAddress) ? ', so that a part of the queries is lost' : ''
    return servers.length === 1
      ? `${servers[0]}, one of the servers behind ${where}, ${one}${effect}`
      : `${listed(servers)}, servers behind ${where}, ${several}${effect}`
  },
  next({ failing, ...said }) {
    const direct = failing.filter(isDnsPod)
    return direct.length === 0 ? repeated({ ...said, failing }, ' --count 50') : repeated({ ...said, failing: direct })
  },
}

/** Each is weighed on every failure, and agents may name thousands. */
const mostServers = 32

/** Returns the addresses of the servers that fail when they are asked directly: of too many, those that most checks find failing. */
function serversIn(failing: readonly Fact[]): readonly string[] {
  const failures = new Map<string, number>()
  for (const { server } of failing.filter(isDnsPod))
    if (server !== undefined) failures.set(server, (failures.get(server) ?? 0) + 1)
  return [...failures]
    .toSorted(([a, inA], [b, inB]) => inB - inA || (a < b ? -1 : 1))
    .slice(0, mostServers)
    .map(([server]) => server)
    .toSorted()
}

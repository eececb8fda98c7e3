import { type Cause, surely } from '../../cause.ts'
import { ifSeen, repeated, seenOf } from '../parts.ts'

const isUpstream = ({ check }: { readonly check: string }) => check === 'dns-upstream'

export const dnsUpstreamLimited: Cause = {
  name: 'dns-upstream-limited',
  scopes: ['name-server'],
  severity: 'warning',
  rarity: 0,
  waitsFor: 'servers',
  because: 'its upstream servers are slow or limit it',
  means:
    'The name server of the cluster is well, but the servers that it forwards to are slow, lose queries or limit their rate.',
  shows: 'Names of the cluster are fast and certain. External names are slow, lost or end with SERVFAIL.',
  usually: [
    'AWS: the VPC resolver drops more than 1,024 packets a second of one interface; two CoreDNS pods on one node share it',
    'Azure: 168.63.129.16 limits by VM; Google Cloud: 169.254.169.254 limits by VM',
    'ndots:5 multiplies every external name by the search domains',
  ],
  remedy: 'Spread CoreDNS over nodes, cache longer, use NodeLocal DNSCache, and write external names with a final dot.',
  variants: (failing) =>
    ifSeen(failing, isUpstream, {
      id: 'all',
      direction: 'none',
      lines: [surely(isUpstream, ...seenOf(failing, ['slow', 'lossy', 'silent', 'wrong']))],
    }),
  says: ({ where }) => `${where} is well, but its upstream servers are slow or limit it`,
  next: (said) => repeated(said, ' --count 50'),
}

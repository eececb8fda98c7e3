import { type Cause, isDns, isDnsPod, surely } from '../../cause.ts'
import { isAnsweredByUdp, repeated, seenOf } from '../parts.ts'

export const dnsServerDown: Cause = {
  name: 'dns-server-down',
  scopes: ['name-server'],
  severity: 'critical',
  rarity: 0,
  because: 'it is down',
  means: 'A name server answers nobody.',
  shows: 'Queries to it are silent from every node.',
  usually: [
    'all CoreDNS pods are down or overloaded',
    'the address in resolv.conf no longer exists',
    'NodeLocal DNSCache is not running, or Cilium redirects its address without a local redirect policy',
    'an egress NetworkPolicy without UDP and TCP 53, or AWS security groups that do not let 53 between node groups',
  ],
  remedy: 'kubectl -n kube-system get pods -l k8s-app=kube-dns, and their logs.',
  variants: (failing) => [
    { id: 'all', lines: [surely(isDns, ...seenOf(failing, ['silent', 'unreachable']))], direction: 'none' },
  ],
  isExcluded: (failing, passing) => failing.some(isAnsweredByUdp) || passing.some(isDnsPod),
  says: ({ where }) => `${where} answers no node`,
  next: (said) => repeated(said),
}

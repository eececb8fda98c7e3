import { type Cause, isDns, surely } from '../../cause.ts'
import { repeated } from '../parts.ts'

export const dnsError: Cause = {
  name: 'dns-error',
  scopes: ['name-server'],
  severity: 'critical',
  rarity: 0,
  because: 'it has a fault itself',
  means: 'A name server answers, but with an error for a name that should exist.',
  shows: 'Queries end with SERVFAIL, REFUSED or NXDOMAIN, from every node.',
  usually: [
    'CoreDNS cannot reach the API server or its upstream servers',
    'a wrong Corefile, or one that forwards to itself (plugin loop)',
    'a search domain or cluster domain that does not match',
  ],
  remedy: 'kubectl -n kube-system logs -l k8s-app=kube-dns shows what it cannot reach.',
  variants: () => [{ id: 'all', lines: [surely(isDns, 'wrong')], direction: 'none' }],
  says: ({ where, failing: [fact] }) => `${where} answers with an error: ${fact?.message ?? 'an unexpected status'}`,
  next: (said) => repeated(said),
}

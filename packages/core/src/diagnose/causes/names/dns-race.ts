import { type Cause, isDns, isDnsInParallel, surely } from '../../cause.ts'
import type { Fact } from '../../evidence.ts'
import { ifSeen, isUnsteady, onNode, seenOf } from '../parts.ts'

export const dnsRace: Cause = {
  name: 'dns-race',
  scopes: ['name-server', 'node-side'],
  severity: 'warning',
  rarity: 0,
  because: 'two queries of one socket race each other',
  means:
    'Resolvers send the queries for A and AAAA at once from one socket. Connection tracking drops one of them, and the resolver waits five seconds.',
  shows:
    'Names take 5 or 10 seconds now and then, while single queries are always fast. The counter insert_failed grows.',
  usually: [
    'kernels before 5.0, whose connection tracking loses this race (kubernetes#56903, weave#3287)',
    'kube-proxy with several endpoints of the name server, so that both queries are translated differently',
    'a firewall that allows one answer per source port',
  ],
  remedy:
    'Use NodeLocal DNSCache, or options single-request-reopen (glibc), or a newer kernel. Cilium without kube-proxy does not have it.',
  variants: (failing) =>
    ifSeen(failing, isDnsInParallel, {
      id: 'all',
      direction: 'none',
      lines: [surely(isDnsInParallel, ...seenOf(failing, ['lossy', 'silent']))],
    }),
  isExcluded: (failing, passing) => isUnsteady(passing) || failing.some((fact) => isDns(fact) && !isOfOneQuery(fact)),
  says: ({ where }) => `two queries of one socket race each other, so that names take five seconds: ${where}`,
  next: (said) => onNode(said, 'cat /proc/net/stat/nf_conntrack'),
}

/** Whether one of two queries may be all that is lost: where both are, the failure has no code of the lost one. */
function isOfOneQuery(fact: Fact): boolean {
  return isDnsInParallel(fact) && (fact.reason === undefined || fact.code !== undefined)
}

import { type Cause, isDnsPod, isTranslated, surely } from '../../cause.ts'
import { isByAddress, repeated, seenOf, steadyTrials } from '../parts.ts'

const ways = ['silent', 'refused', 'unreachable'] as const

export const serviceRulesMissing: Cause = {
  name: 'service-rules-missing',
  scopes: ['node-side', 'name-server'],
  severity: 'critical',
  rarity: 0,
  because: 'service addresses are not translated',
  means:
    'A node does not translate service addresses, so that its pods reach no Service; or no node translates that of the name server.',
  shows:
    'From one node, name servers and services by their cluster address fail, while the same works from other nodes and pods are reached directly. Or a name server fails from every node, while the servers behind it answer when they are asked directly.',
  usually: [
    'kube-proxy (or its replacement) does not run on the node, or lags behind',
    'Cilium without kube-proxy: its agent is down, or its service maps are full (bpf-lb-map-max)',
    'Calico in eBPF mode while kube-proxy still runs, or the reverse',
    'NodeLocal DNSCache, where it holds the address of the name server, is not running',
    'another program flushed its iptables or nftables rules',
  ],
  remedy: 'Restart kube-proxy on the node, and look at its log for errors.',
  variants: (failing) => [
    {
      id: 'all',
      scopes: ['node-side'],
      lines: [surely(isTranslated, ...seenOf(failing, ways)), surely(({ path }) => path === 'pod', 'passes')],
    },
    // Unless servers answer directly, it is they that are down.
    {
      id: 'name-server',
      scopes: ['name-server'],
      lines: [surely(isByAddress, ...seenOf(failing, ways))],
      price: 8,
      direction: 'none',
    },
  ],
  // Servers that lose a part of the queries answer now and then.
  isExcluded: (_, passing) => passing.some((fact) => isDnsPod(fact) && fact.trials < steadyTrials),
  says: ({ scope, where, failing: [fact] }) =>
    scope.kind === 'name-server'
      ? `no node reaches ${where}, though the servers behind it answer: its address is not translated`
      : `${fact?.from ?? 'one node'} does not reach services by their cluster address, though other nodes do`,
  next: (said) => repeated(said),
}

import { type Cause, isTranslated, surely } from '../../cause.ts'
import { repeated, seenOf } from '../parts.ts'

export const serviceRulesMissing: Cause = {
  name: 'service-rules-missing',
  scopes: ['node-side'],
  severity: 'critical',
  rarity: 0,
  because: 'the node does not translate service addresses',
  means: 'A node does not translate service addresses, so that its pods reach no Service.',
  shows:
    'From one node, name servers and services by their cluster address fail, while the same works from other nodes and pods are reached directly.',
  usually: [
    'kube-proxy (or its replacement) does not run on the node, or lags behind',
    'Cilium without kube-proxy: its agent is down, or its service maps are full (bpf-lb-map-max)',
    'Calico in eBPF mode while kube-proxy still runs, or the reverse',
    'another program flushed its iptables or nftables rules',
  ],
  remedy: 'Restart kube-proxy on the node, and look at its log for errors.',
  variants: (failing) => [
    {
      id: 'all',
      lines: [
        surely(isTranslated, ...seenOf(failing, ['silent', 'refused', 'unreachable'])),
        surely(({ path }) => path === 'pod', 'passes'),
      ],
    },
  ],
  says: ({ failing: [fact] }) =>
    `${fact?.from ?? 'one node'} does not reach services by their cluster address, though other nodes do`,
  next: (said) => repeated(said),
}

import { anything, both, type Cause, mostly, surely } from '../../cause.ts'
import { byFamily, kinds, repeated } from '../parts.ts'

export const localEgressDenied: Cause = {
  name: 'local-egress-denied',
  scopes: ['link', 'node-side', 'node', 'cluster'],
  severity: 'critical',
  rarity: 0,
  because: 'the sending host denies it',
  means: "The sender's own host rejects the packets before they leave.",
  shows: 'Attempts fail at once with EPERM or EACCES, without an ICMP error from the network.',
  usually: [
    'an egress NetworkPolicy that an eBPF data path enforces in the sending pod (Cilium, AWS VPC CNI network policy agent)',
    'iptables or nftables OUTPUT rules on the node, for host-network pods',
    'a route of type prohibit',
  ],
  remedy: 'Check egress policies of the namespace, and nft list ruleset on the sending node.',
  variants: (failing) => [
    ...byFamily(failing, { id: 'all', lines: [surely(anything, 'denied-here')] }),
    // The kernel does not tell connect() of it, and answers to the other side are denied, too.
    ...(failing.some(({ symptom }) => symptom === 'denied-here')
      ? [{ id: 'all, or silent', lines: [mostly(anything, 'denied-here', 'silent')], price: 0.5 }]
      : []),
    ...kinds.map(({ name, about }) => ({ id: name, lines: [surely(both(anything, about), 'denied-here')] })),
  ],
  says: ({ where, failing: [fact] }) => `${fact?.from ?? 'the sender'} itself denies the packets it sends: ${where}`,
  next: (said) => repeated(said),
}

import { both, type Cause, isIcmp, mostly, surely } from '../../cause.ts'
import { ifSeen, lateIn, onNode, overPods, own } from '../parts.ts'

const counter = own('connection-tracking')

export const conntrackExhausted: Cause = {
  name: 'conntrack-exhausted',
  scopes: ['node', 'node-side'],
  severity: 'critical',
  rarity: 0,
  waitsFor: 'counters',
  because: 'its connection tracking table is full',
  means: 'The connection tracking table of a node is full, so that the first packet of every new flow is dropped.',
  shows:
    'New connections and datagrams through the node are lost at random, kept ones pass. Its count of entries is at the maximum, and the kernel logs "nf_conntrack: table full, dropping packet".',
  usually: [
    'many short connections or DNS queries of one application; entries live for minutes after their end',
    'a maximum that is too small for the node: kube-proxy sets --conntrack-max-per-core (32,768), Cilium bpf-ct-global-tcp-max and -any-max',
    'AWS: the instance has a limit of its own (conntrack_allowance_exceeded), and so has Azure by size (flows of a NIC)',
  ],
  remedy:
    'Raise net.netfilter.nf_conntrack_max (or the maps of Cilium), shorten its timeouts, use NodeLocal DNSCache, and find who opens the flows: conntrack -L.',
  variants: (failing) =>
    ifSeen(failing, counter, {
      id: 'all',
      lines: [
        surely(counter, 'exhausted'),
        surely(({ socket }) => socket === 'kept', 'passes'),
        // A running ping keeps its entry.
        surely(both(overPods, isIcmp), 'passes'),
        mostly(overPods, 'lossy', 'silent', ...lateIn(failing)),
      ],
    }),
  says: ({ where }) => `the connection tracking table of ${where} is full, so that new flows fail`,
  next: (said) => onNode(said, 'sh -c "cd /proc/sys/net/netfilter; grep . nf_conntrack_count nf_conntrack_max"'),
}

import { type Cause, mostly, surely } from '../../cause.ts'
import { ifSeen, onNode, overPods, own } from '../parts.ts'

const counter = own('neighbour-table')

export const neighbourOverflow: Cause = {
  name: 'neighbour-overflow',
  scopes: ['node', 'node-side'],
  severity: 'critical',
  rarity: 0,
  waitsFor: 'counters',
  because: 'its neighbour table is full',
  means: 'The neighbour (ARP) table of a node is full, so that it cannot find the hardware address of further peers.',
  shows:
    'From one node some peers are unreachable, others pass, and which ones changes. The counter of full tables grows, and the kernel logs "neighbour: arp_cache: neighbor table overflow!".',
  usually: [
    'more than about 1,000 pods and nodes on one subnet, with the default of net.ipv4.neigh.default.gc_thresh3=1024',
    'a flat pod network without routing: AWS VPC CNI with large subnets, macvlan, Azure CNI in the subnet of the nodes',
    'Flannel and Calico VXLAN: a permanent entry for each node',
  ],
  remedy: 'Raise net.ipv4.neigh.default.gc_thresh1, 2 and 3 (and those of IPv6) on all nodes.',
  variants: (failing) =>
    ifSeen(failing, counter, {
      id: 'all',
      lines: [surely(counter, 'exhausted'), mostly(overPods, 'unreachable', 'silent', 'lossy')],
    }),
  says: ({ where }) => `the neighbour table of ${where} is full, so that it does not find its peers`,
  next: (said) => onNode(said, 'sh -c "ip neigh | wc -l; cat /proc/sys/net/ipv4/neigh/default/gc_thresh3"'),
}

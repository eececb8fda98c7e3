import { both, type Cause, mostly, surely } from '../../cause.ts'
import type { Aspect } from '../../evidence.ts'
import { ifSeen, ofLinks, onNode, overPods } from '../parts.ts'

const isReturn = ({ direction }: Aspect) => direction === 'return'
const isIpv4 = ({ family }: Aspect) => family === 'ipv4'
const reversePathDrops = mostly(({ check }) => check === 'reverse-path-drops', 'exhausted')

export const asymmetricRoute: Cause = {
  name: 'asymmetric-route',
  scopes: ofLinks,
  severity: 'critical',
  rarity: 1,
  because: 'the two ways differ, and a node or firewall drops packets for that',
  means: 'Packets take another route in one direction than in the other, and a node or firewall drops them for that.',
  shows:
    'Everything is silent, and yet the responders at both ends receive the requests of the other: each way carries requests, and no answers. Where a node drops requests, too (rp_filter, of IPv4 only), everything over IPv4 is silent and passes over IPv6, as if IPv4 were broken: only the counter of reverse path drops tells them apart.',
  usually: [
    'rp_filter=1 on nodes with several interfaces: Cilium and Calico need 0 or 2 on theirs',
    'AWS VPC CNI: answers leave by another network interface than requests arrived on (AWS_VPC_K8S_CNI_EXTERNALSNAT, ip rule)',
    'a stateful firewall sees one direction only and considers it invalid',
  ],
  remedy: 'Compare ip route get for both directions on both nodes, and nstat TcpExtIPReversePathFilter.',
  // What filters by reverse path shows only beside IPv6, which passes it.
  isExcluded: (failing, passing) =>
    !failing.some(isReturn) && !passing.some((aspect) => overPods(aspect) && aspect.family === 'ipv6'),
  variants: (failing) => [
    ...ifSeen(failing, isReturn, {
      id: 'all',
      lines: [
        surely(({ direction }) => direction === 'forward', 'passes'),
        surely(isReturn, 'silent'),
        reversePathDrops,
        surely(overPods, 'silent'),
      ],
    }),
    // Linux filters by reverse path over IPv4 only (ip-sysctl.rst, rp_filter).
    ...ifSeen(failing, both(overPods, isIpv4), {
      id: 'ipv4',
      lines: [reversePathDrops, surely(both(overPods, isIpv4), 'silent'), surely(overPods, 'passes')],
    }),
  ],
  says: ({ where, variant }) =>
    variant.id === 'all'
      ? `requests arrive at both ends, but no answers do, as if a firewall sees only one direction of each flow: ${where}`
      : `IPv4 does not get through while IPv6 does, as if a node drops what arrives on another interface than its answers leave by: ${where}`,
  next: (said) => onNode(said, 'sh -c "ip rule; ip route; grep . /proc/sys/net/ipv4/conf/*/rp_filter"'),
}

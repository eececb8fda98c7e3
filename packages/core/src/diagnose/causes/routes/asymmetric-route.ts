import { type Cause, mostly, surely } from '../../cause.ts'
import { ifSeen, ofLinks, onNode, overPods } from '../parts.ts'

const isReturn = ({ direction }: { readonly direction?: string | undefined }) => direction === 'return'

export const asymmetricRoute: Cause = {
  name: 'asymmetric-route',
  scopes: ofLinks,
  severity: 'critical',
  rarity: 1,
  because: 'answers take another route and are dropped there',
  means: 'Requests arrive, but the answers take another route and are dropped on it.',
  shows:
    'Everything is silent, and yet the responders at both ends receive the requests of the other: each way carries requests, and no answers. Where a node drops requests, too (rp_filter), it looks like a broken route, and only its counter of reverse path drops shows that it is none.',
  usually: [
    'rp_filter=1 on nodes with several interfaces: Cilium and Calico need 0 or 2 on theirs',
    'AWS VPC CNI: answers leave by another network interface than requests arrived on (AWS_VPC_K8S_CNI_EXTERNALSNAT, ip rule)',
    'a stateful firewall sees one direction only and considers it invalid',
  ],
  remedy: 'Compare ip route get for both directions on both nodes, and nstat TcpExtIPReversePathFilter.',
  variants: (failing) =>
    ifSeen(failing, isReturn, {
      id: 'all',
      lines: [
        surely(({ direction }) => direction === 'forward', 'passes'),
        surely(isReturn, 'silent'),
        mostly(({ check }) => check === 'reverse-path-drops', 'exhausted'),
        surely(overPods, 'silent'),
      ],
    }),
  says: ({ where }) =>
    `requests arrive at both ends, but no answers do, as if a firewall sees only one direction of each flow: ${where}`,
  next: (said) => onNode(said, 'sh -c "ip rule; ip route; grep . /proc/sys/net/ipv4/conf/*/rp_filter"'),
}

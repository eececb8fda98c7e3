import { type Cause, surely } from '../../cause.ts'
import { ifOverlay, ofLinks, overPods, repeated } from '../parts.ts'

export const overlayBlocked: Cause = {
  name: 'overlay-blocked',
  scopes: ofLinks,
  proofs: ['trace'],
  severity: 'critical',
  rarity: 1,
  because: 'the tunnel of the pod network is blocked',
  means:
    'The tunnel that carries the pod network between nodes is dropped, while the nodes themselves reach each other.',
  shows: 'Between pods of two nodes everything is silent; from node to node everything passes.',
  usually: [
    'Flannel and Cilium: UDP 8472 (VXLAN) is blocked between nodes; Calico: UDP 4789 (VXLAN) or IP protocol 4 (IP-in-IP); Geneve: UDP 6081; WireGuard: UDP 51820 (Calico) or 51871 (Cilium)',
    'AWS: a security group that does not allow all traffic among nodes, or not between node groups',
    'Azure: VNets drop IP-in-IP, so that Calico needs VXLAN there; Google Cloud: firewall rules must allow protocol 4 (ipip) by name',
    'VMware NSX or another tunnel on the underlay that uses the same port (4789, 8472)',
    'a node whose tunnel endpoint is wrong after it changed its address',
  ],
  remedy:
    'Allow the tunnel port in both directions between all nodes, and compare ip -d link and bridge fdb with the node addresses.',
  variants: () => [{ id: 'all', lines: [surely(overPods, 'silent')], isWhole: true }],
  support: (nodes) => ifOverlay(nodes, 2, -4),
  says: ({ where }) => `the pod network does not get through, as if its tunnel were blocked: ${where}`,
  next: (said) => repeated(said, ' --count 20'),
}

import { both, type Cause, surely } from '../../cause.ts'
import { byFamily, ofLinks, overPods, repeated } from '../parts.ts'

const isHttp = ({ protocol }: { readonly protocol: string }) => protocol === 'http'

export const tcpReset: Cause = {
  name: 'tcp-reset',
  scopes: ofLinks,
  severity: 'critical',
  rarity: 0,
  because: 'something resets connections after they open',
  means: 'Connections are established and then reset, by the other side or a device in between.',
  shows: 'Handshakes pass; HTTP requests end with a TCP reset.',
  usually: [
    'a sidecar or node proxy of a service mesh (Istio, Linkerd, Cilium with L7 rules) that inspects requests',
    'connection tracking considers packets invalid, and the node resets them: net.netfilter.nf_conntrack_tcp_be_liberal=1 helps, as kube-proxy does for asymmetric paths',
    'an intrusion prevention device or a proxy that ends connections after some bytes',
  ],
  remedy: 'Capture on both nodes: the side that sends the reset without having received one is the culprit.',
  variants: (failing) => [
    ...byFamily(failing, { id: 'http', lines: [surely(both(overPods, isHttp), 'reset')] }),
    ...byFamily(failing, {
      id: 'large',
      lines: [surely((aspect) => overPods(aspect) && isHttp(aspect) && aspect.bytes !== undefined, 'reset')],
      price: 0.5,
    }),
  ],
  says: ({ where }) => `established connections are reset: ${where}`,
  next: (said) => repeated(said),
}

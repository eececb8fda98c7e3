import { both, type Cause, isFragmented, surely } from '../../cause.ts'
import { byFamily, ifSeen, ofLinks, overFamily, overPods, repeated } from '../parts.ts'

export const fragmentsDropped: Cause = {
  name: 'fragments-dropped',
  scopes: ofLinks,
  proofs: ['mtu'],
  severity: 'warning',
  rarity: 0,
  because: 'fragments are dropped',
  means: 'Packets that are sent in fragments are dropped. Those of one piece pass, even full ones.',
  shows: 'Datagrams above the MTU are silent. Large ones below it pass.',
  usually: [
    'Azure drops fragments that arrive out of order; AWS network firewalls and NLBs drop fragments of UDP',
    'Cilium without bpf.enable-ipv4-fragment-tracking, and NAT on a device that sees no port in later fragments',
    'a tunnel on a path with a smaller MTU: its outer packets become fragments (Flannel, Calico VXLAN)',
  ],
  remedy: 'Make UDP applications send less than the MTU (DNS: EDNS buffer of 1,232 bytes), or let fragments pass.',
  variants: (failing) =>
    ifSeen(failing, isFragmented, { id: 'all', lines: [surely(both(overPods, isFragmented), 'silent')] }).flatMap(
      (variant) => byFamily(failing, variant),
    ),
  says: (said) => `fragments are dropped, packets of one piece pass${overFamily(said)}: ${said.where}`,
  next: (said) => repeated(said, ' --payload-bytes 4000'),
}

import { both, type Cause, isLarge, surely } from '../../cause.ts'
import { ifSeen, isVolley, ofLinks, overPods, repeated } from '../parts.ts'

export const bandwidthLimited: Cause = {
  name: 'bandwidth-limited',
  scopes: ofLinks,
  severity: 'warning',
  rarity: 0,
  waitsFor: 'volleys',
  because: 'something limits the bandwidth',
  means: 'Something limits how much gets through, far below what the link could carry.',
  shows:
    'Single packets pass at the usual time. Volleys of large packets arrive spread out to a fixed rate, or their end is dropped.',
  usually: [
    'the annotations kubernetes.io/ingress-bandwidth and egress-bandwidth (bandwidth plugin, Cilium bandwidth manager)',
    'AWS: the burst credits of the instance are spent (bw_in_allowance_exceeded); Azure and Google Cloud: the cap of the instance size',
    'an interface that negotiated 100 Mbit/s or half duplex, or a policer on a line between sites',
  ],
  remedy: 'Compare with the limits of the instance type and ethtool eth0 (Speed), and look for tc qdisc on the nodes.',
  variants: (failing) =>
    ifSeen(failing, isVolley, { id: 'all', lines: [surely(both(overPods, isVolley, isLarge), 'limited')] }),
  says: ({ where }) => `something limits the bandwidth: ${where}`,
  next: (said) => repeated(said),
}

import { type Cause, mostly } from '../../cause.ts'
import { byFamily, ofLinks, overFamily, overPods, repeated } from '../parts.ts'

export const reordering: Cause = {
  name: 'reordering',
  scopes: ofLinks,
  severity: 'warning',
  rarity: 0,
  waitsFor: 'order',
  because: 'packets overtake each other',
  means: 'Packets arrive in another order than they were sent. TCP takes that for loss and slows down.',
  shows:
    'Packets of a volley overtake each other. TCP counts selective acknowledgements for packets that were not lost.',
  usually: [
    'load balancing by packet instead of by flow (bond mode balance-rr, some SD-WANs)',
    'a NIC or virtual switch that handles one flow on several queues (receive steering, Azure accelerated networking failover)',
    'WireGuard of Cilium or Calico across several CPUs on old kernels',
  ],
  remedy: 'Balance by flow: bond mode 802.3ad with layer3+4, ECMP by five-tuple.',
  variants: (failing) =>
    failing.some(({ symptom }) => symptom === 'reordered')
      ? byFamily(failing, { id: 'all', lines: [mostly(overPods, 'reordered')] })
      : [],
  says: (said) => `packets overtake each other${overFamily(said)}: ${said.where}`,
  next: (said) => repeated(said, ' --count 50 --interval 20ms'),
}

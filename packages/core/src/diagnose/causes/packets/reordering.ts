import { type Cause, mostly } from '../../cause.ts'
import { byCheck, byFamily, ofLinks, overFamily, repeated, shareText } from '../parts.ts'

export const reordering: Cause = {
  name: 'reordering',
  scopes: ofLinks,
  severity: 'warning',
  rarity: 0,
  because: 'packets overtake each other',
  means: 'Packets arrive in another order than they were sent. TCP takes that for loss and slows down.',
  shows:
    'A check of UDP with volleys (checks: {udp-volley: {probe: udp, volley: 5, interval: 30s}}) reports that packets which leave together overtake each other. It is named within minutes if most volleys do so, within an hour or two if a tenth do, and never for one packet in a thousand. TCP counts selective acknowledgements for packets that were not lost.',
  usually: [
    'load balancing by packet instead of by flow (bond mode balance-rr, some SD-WANs)',
    'a NIC or virtual switch that handles one flow on several queues (receive steering, Azure accelerated networking failover)',
    'WireGuard of Cilium or Calico across several CPUs on old kernels',
  ],
  remedy: 'Balance by flow: bond mode 802.3ad with layer3+4, ECMP by five-tuple.',
  variants: (failing) =>
    byCheck(failing, 'reordered', (about) => ({ id: 'volleys', lines: [mostly(about, 'reordered')] })).flatMap(
      (variant) => byFamily(failing, variant),
    ),
  says: (said) =>
    `packets that leave together overtake each other${overFamily(said)}, in ${shareText(said)} of volleys: ${said.where}`,
  next: (said) => repeated(said, ' --volley 5 --count 50 --interval 100ms'),
}

import { both, type Cause, evenly, isLarge, isUdp, surely } from '../../cause.ts'
import { isTrain, lateIn, ofLinks, overPods, proven, repeated, trainText, underLoad } from '../parts.ts'

export const bandwidthLimited: Cause = {
  name: 'bandwidth-limited',
  scopes: ofLinks,
  severity: 'warning',
  rarity: 0,
  proofs: ['train'],
  because: 'something limits the bandwidth',
  means: 'Something limits how much gets through, far below what the link could carry.',
  shows:
    'Without load single packets pass at the usual time. Under load packets are late or lost, and large packets that are sent together arrive spread out to a fixed rate, or their end is dropped.',
  usually: [
    'the annotations kubernetes.io/ingress-bandwidth and egress-bandwidth (bandwidth plugin, Cilium bandwidth manager)',
    'AWS: the burst credits of the instance are spent (bw_in_allowance_exceeded); Azure and Google Cloud: the cap of the instance size',
    'an interface that negotiated 100 Mbit/s or half duplex, or a policer on a line between sites',
  ],
  remedy: 'Compare with the limits of the instance type and ethtool eth0 (Speed), and look for tc qdisc on the nodes.',
  variants: (failing) =>
    isTrain(failing, 'limited', 'queued')
      ? [
          underLoad(['limited'], ['lossy']),
          underLoad(['limited'], lateIn(failing)),
          underLoad(['limited'], ['lossy', ...lateIn(failing)]),
          underLoad(['queued'], ['lossy']),
          // What is large takes longer to pass, or meets a limit on bursts.
          {
            id: 'large',
            lines: [
              surely(proven('train'), 'limited', 'queued'),
              evenly(both(overPods, isLarge), 'lossy', ...lateIn(failing)),
            ],
          },
        ]
      : [],
  says: (said) =>
    `${trainText(said, 'something limited the bandwidth') ?? 'something limits the bandwidth'}: ${said.where}`,
  next(said) {
    const failing = said.failing.filter(isUdp)
    return failing.length === 0 ? repeated(said) : repeated({ ...said, failing }, ' --volley 32 --payload-bytes 1400')
  },
}

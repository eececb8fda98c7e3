import { formatDurationNs } from '../../../time/duration.ts'
import { type Cause, mostly } from '../../cause.ts'
import { byFamily, ofLinks, overFamily, overPods, repeated } from '../parts.ts'

export const jitter: Cause = {
  name: 'jitter',
  scopes: ofLinks,
  proofs: ['train'],
  severity: 'warning',
  rarity: 0,
  because: 'queues on the path grow and shrink',
  means: 'Round trips take very different times, though the fastest are nearly as fast as before.',
  shows:
    'The spread of times (10th to 90th percentile) has at least doubled and grown by 1 ms or more, and by more than the fastest round trips did; the middle half of them varies more, too. It takes 30 s, and six round trips in ten that are late. Nothing is lost.',
  usually: [
    'a link on the path that is nearly full at times',
    'a noisy neighbour or CPU steal on a virtual machine (AWS T instances, Azure B series, shared cores of Google Cloud)',
    'CPU limits of the CNI agent or a proxy that forwards packets in user space',
  ],
  remedy: 'Compare the times with the load of the interfaces and CPUs of both nodes (sar -n DEV, mpstat: steal).',
  variants: (failing) =>
    failing.some(({ symptom }) => symptom === 'jittery')
      ? byFamily(failing, { id: 'all', lines: [mostly(overPods, 'jittery')] })
      : [],
  says(said) {
    const spreads = said.failing.flatMap(({ spread }) => spread ?? []).toSorted((a, b) => a.nowNs - b.nowNs)
    const spread = spreads[Math.floor(spreads.length / 2)]
    const by =
      spread === undefined
        ? 'more than before'
        : `by ${formatDurationNs(spread.nowNs)} (p10–p90) where ${formatDurationNs(spread.usualNs)} was usual`
    return `round trips vary ${by}${overFamily(said)}: ${said.where}`
  },
  next: (said) => repeated(said, ' --count 100 --interval 100ms'),
}

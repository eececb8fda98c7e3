import { type Cause, mostly } from '../../cause.ts'
import { byFamily, ofLinks, overFamily, overPods, repeated } from '../parts.ts'

export const jitter: Cause = {
  name: 'jitter',
  scopes: ofLinks,
  proofs: ['train'],
  severity: 'warning',
  rarity: 0,
  waitsFor: 'spread',
  because: 'queues on the path grow and shrink',
  means: 'Round trips take very different times, though the fastest are as fast as before.',
  shows: 'The spread of times grows for all protocols, the minimum does not. Nothing is lost.',
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
  says: (said) => `times vary more than before${overFamily(said)}: ${said.where}`,
  next: (said) => repeated(said, ' --count 100 --interval 100ms'),
}

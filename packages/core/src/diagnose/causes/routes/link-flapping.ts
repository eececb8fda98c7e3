import { type Cause, surely } from '../../cause.ts'
import { ofLinks } from '../parts.ts'

/** One look does not find it: what follows findings over time gives this name to outages that return (outages.ts). */
export const linkFlapping: Cause = {
  name: 'link-flapping',
  scopes: ofLinks,
  severity: 'warning',
  rarity: 0,
  because: 'it comes and goes',
  means: 'A link fails and recovers again and again, faster than anyone could look at it.',
  shows:
    'Everything or one protocol fails on a link and passes again, at least three times within a quarter of an hour, in the same way each time.',
  usually: [
    'a loose cable, a failing transceiver, or a bond that changes its active port',
    'two machines with the same address, or a route that is withdrawn and announced again (BGP of Calico, MetalLB, kube-vip)',
    'an agent or kubelet that restarts, and with it the rules of the node',
  ],
  remedy: 'Look at the kernel log and the switch for link changes at the times of the incidents.',
  variants: (failing) =>
    failing.some(({ symptom }) => symptom === 'flapping')
      ? [{ id: 'all', lines: [surely((aspect) => aspect.path === 'pod', 'flapping')] }]
      : [],
  says: ({ where }) => `it fails and recovers again and again: ${where}`,
  next: () => 'scout-probe mesh',
}

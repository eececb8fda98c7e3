import { type Cause, surely } from '../../cause.ts'
import { ofLinks } from '../parts.ts'

export const linkFlapping: Cause = {
  name: 'link-flapping',
  scopes: ofLinks,
  severity: 'warning',
  rarity: 0,
  waitsFor: 'history',
  because: 'it comes and goes',
  means: 'A link fails and recovers again and again, faster than anyone could look at it.',
  shows: 'The same failures open and close at least three times within a few minutes.',
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

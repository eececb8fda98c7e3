import { both, type Cause, isTcp, isUdp, mostly, surely } from '../../cause.ts'
import { byFamily, lateIn, ofLinks, onNode, overFamily, overPods, proven } from '../parts.ts'

const areSomeFlows = proven('flows')

export const pathLoss: Cause = {
  name: 'path-loss',
  scopes: ofLinks,
  proofs: ['flows', 'trace'],
  severity: 'critical',
  rarity: 0,
  because: 'one of several parallel paths is broken',
  means: 'One of several parallel paths loses packets: the flows that hash to it fail, all others pass.',
  shows:
    'The same source ports fail in every round, and other ports never do. Until agents have sent from several ports at once, it looks like random loss.',
  usually: [
    'a broken member of a bond or link aggregation, of the node or between switches',
    'one of several routers of equal cost (ECMP), which BGP of Calico, Cilium or MetalLB announces',
    'a receive queue of the interface whose CPU is saturated (AWS ENA, Azure, gVNIC of Google Cloud)',
  ],
  remedy: 'Take members of the bond down one by one, or trace with the failing source port.',
  // Random loss explains all but the flows.
  variants: (failing) =>
    failing.some((fact) => areSomeFlows(fact) && fact.symptom === 'silent')
      ? byFamily(failing, {
          id: 'flows',
          lines: [
            surely(areSomeFlows, 'silent'),
            mostly(both(overPods, isTcp), 'lossy', ...lateIn(failing)),
            mostly(both(overPods, isUdp), 'lossy'),
          ],
        })
      : [],
  says({ where, collected, ...said }) {
    const { says } = collected.find(({ proof, shows }) => proof === 'flows' && shows === 'silent') ?? {}
    const which = says ?? 'some flows fail, others pass'
    return `${which}, as if one of several parallel paths were broken${overFamily(said)}: ${where}`
  },
  next: (said) => onNode(said, 'sh -c "cat /proc/net/bonding/*"'),
}

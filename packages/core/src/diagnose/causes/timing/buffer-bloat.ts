import { both, type Cause, surely } from '../../cause.ts'
import { ifSeen, isVolley, ofLinks, onNode, overPods } from '../parts.ts'

export const bufferBloat: Cause = {
  name: 'buffer-bloat',
  scopes: ofLinks,
  severity: 'warning',
  rarity: 0.5,
  waitsFor: 'volleys',
  because: 'a long queue delays what is sent together',
  means: 'A long queue in front of a slow line delays everything behind it, instead of dropping early.',
  shows:
    'Under load, each packet of a volley waits longer than the one before. Nothing is lost, and without load times are usual.',
  usually: [
    'a shaper with a long queue: tbf of the bandwidth plugin has a large limit by default',
    'a VPN or modem between sites',
    'an interface with a long transmit ring and pfifo_fast instead of fq_codel or fq (Cilium with BBR needs fq)',
  ],
  remedy: 'Use fq_codel, cake or fq as queueing discipline in front of the slowest line, or a shorter limit.',
  variants: (failing) => ifSeen(failing, isVolley, { id: 'all', lines: [surely(both(overPods, isVolley), 'queued')] }),
  says: ({ where }) => `packets that are sent together wait in a long queue: ${where}`,
  next: (said) => onNode(said, 'tc -s qdisc'),
}

import type { Cause } from '../../cause.ts'
import { isTrain, lateIn, ofLinks, onNode, trainText, underLoad } from '../parts.ts'

export const bufferBloat: Cause = {
  name: 'buffer-bloat',
  scopes: ofLinks,
  severity: 'warning',
  rarity: 0.5,
  proofs: ['train'],
  because: 'a long queue delays what is sent together',
  means: 'A long queue in front of a slow line delays everything behind it, instead of dropping early.',
  shows:
    'Under load everything is late, and without load times are usual. Of large packets that are sent together, each waits longer than the one before, and none is lost.',
  usually: [
    'a shaper with a long queue: tbf of the bandwidth plugin has a large limit by default',
    'a VPN or modem between sites',
    'an interface with a long transmit ring and pfifo_fast instead of fq_codel or fq (Cilium with BBR needs fq)',
  ],
  remedy: 'Use fq_codel, cake or fq as queueing discipline in front of the slowest line, or a shorter limit.',
  variants: (failing) => (isTrain(failing, 'queued') ? [underLoad(['queued'], lateIn(failing))] : []),
  says: (said) =>
    `${trainText(said, 'in a long queue') ?? 'packets that are sent together wait in a long queue'}: ${said.where}`,
  next: (said) => onNode(said, 'tc -s qdisc'),
}

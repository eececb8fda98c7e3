import { both, type Cause, isFragmented, isUdp, mostly } from '../../cause.ts'
import { byFamily, ofLinks, overFamily, overPods, repeated, shareText } from '../parts.ts'

/** What reflectors count. Of fragments, each would have to be duplicated. */
const counted = both(overPods, isUdp, (aspect) => !isFragmented(aspect))

export const duplication: Cause = {
  name: 'duplication',
  scopes: ofLinks,
  severity: 'warning',
  rarity: 0,
  because: 'packets are duplicated',
  means: 'Packets arrive more than once.',
  shows: 'Pings and datagrams get several answers to one request. TCP hides it.',
  usually: [
    'a loop of bridges or switches without spanning tree',
    'a mirror port that delivers to the same network, or two active members of a bond without link aggregation',
    'two nodes with the same tunnel address (Flannel, Calico VXLAN), so that a switch floods',
  ],
  remedy: 'tcpdump on both nodes shows where the second copy appears; its TTL and MAC address tell who sent it.',
  variants: (failing) =>
    failing.some(({ symptom }) => symptom === 'duplicated')
      ? byFamily(failing, { id: 'all', lines: [mostly(counted, 'duplicated')] })
      : [],
  says(said) {
    return `packets arrive twice${overFamily(said)}, ${shareText(said)} of them: ${said.where}`
  },
  next: (said) => repeated(said, ' --count 50 --interval 100ms'),
}

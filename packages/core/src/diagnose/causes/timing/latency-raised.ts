import { formatDurationNs } from '../../../time/duration.ts'
import { type Cause, mostly } from '../../cause.ts'
import { byFamily, ofLinks, overFamily, overPods, repeated } from '../parts.ts'

export const latencyRaised: Cause = {
  name: 'latency-raised',
  scopes: ofLinks,
  proofs: ['train'],
  severity: 'warning',
  rarity: 0,
  because: 'the path became longer or busier',
  means: 'Round trips take longer than they used to, without loss.',
  shows: 'All protocols are slower by about the same time than on this link before.',
  usually: [
    'traffic takes a longer route, over another zone or a backup line',
    'a device on the path is congested',
    'Cilium, Calico and Flannel: traffic goes through a tunnel or a gateway node that used to go straight',
    'AWS, Azure and Google Cloud: nodes moved to other zones or lost their placement group',
    'deep sleep states or frequency scaling of the CPUs',
  ],
  remedy: 'Compare the route with an earlier one, and the load of the links between the zones.',
  variants: (failing) => byFamily(failing, { id: 'all', lines: [mostly(overPods, 'slow')] }),
  says(said) {
    const slower = said.failing.flatMap(({ slowerNs }) => slowerNs ?? []).toSorted((a, b) => a - b)
    const median = slower[Math.floor(slower.length / 2)] ?? 0
    return `round trips take ${formatDurationNs(Math.round(median))} longer than before${overFamily(said)}: ${said.where}`
  },
  next: (said) => repeated(said, ' --count 50 --interval 200ms'),
}

import { both, type Cause, isTcp, mostly } from '../../cause.ts'
import { percent } from '../../explain/words.ts'
import { byFamily, kinds, ofLinks, overFamily, overPods, repeated } from '../parts.ts'

export const packetLoss: Cause = {
  name: 'packet-loss',
  scopes: ofLinks,
  severity: 'warning',
  rarity: 0,
  because: 'packets are lost at random',
  means: 'Some packets are lost, at random.',
  shows: 'Attempts of every protocol fail now and then; TCP succeeds more often, because it repeats, but later.',
  usually: [
    'a congested or faulty link, port or cable',
    'a virtual interface whose queue overflows (rx_dropped, softnet_stat)',
    'AWS: the instance exceeds its bandwidth, packet or connection allowance (ethtool -S shows pps_allowance_exceeded); Azure and Google Cloud limit by instance size, too',
    'a CPU that handles all interrupts of the interface, or tunnels without receive hashing (one flow for all pods)',
  ],
  remedy:
    'Compare counters of the interfaces on both nodes (ip -s link, ethtool -S), and the limits of the instance type.',
  variants: (failing) => [
    ...byFamily(failing, {
      id: 'all',
      lines: [mostly(both(overPods, isTcp), 'lossy', 'slow'), mostly(overPods, 'lossy')],
    }),
    ...kinds.flatMap(({ name, about }) =>
      byFamily(failing, { id: name, lines: [mostly(both(overPods, about), 'lossy')], price: 1 }),
    ),
  ],
  says(said) {
    const losses = said.failing.flatMap(({ loss }) => loss ?? [])
    if (losses.length === 0) return `some packets are lost${overFamily(said)}: ${said.where}`
    const low = Math.min(...losses.map((loss) => loss.low))
    const high = Math.max(...losses.map((loss) => loss.high))
    return `between ${percent(low)} and ${percent(high)} of packets are lost${overFamily(said)}: ${said.where}`
  },
  next: (said) => repeated(said, ' --count 200 --interval 100ms'),
}

import { both, type Cause, evenly, isFragmented, isTcp, mostly } from '../../cause.ts'
import type { Share } from '../../evidence.ts'
import { percent } from '../../explain/words.ts'
import { endsIn } from '../../scope.ts'
import { byFamily, kinds, lateIn, ofLinks, overFamily, overPods, proven, repeated } from '../parts.ts'

export const packetLoss: Cause = {
  name: 'packet-loss',
  scopes: ofLinks,
  proofs: ['flows', 'train', 'trace'],
  severity: 'warning',
  rarity: 0,
  because: 'packets are lost at random',
  means: 'Some packets are lost, at random.',
  shows:
    'Attempts of every protocol fail now and then; TCP succeeds more often, because it repeats, but later. Where they are lost on one way, attempts fail on both ways, and the counts of UDP tell which it is.',
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
      lines: [
        evenly(proven('flows'), 'lossy'),
        mostly(both(overPods, isTcp), 'lossy', ...lateIn(failing)),
        mostly(overPods, 'lossy'),
      ],
    }),
    ...kinds.flatMap(({ name, about }) =>
      byFamily(failing, {
        id: name,
        lines: [evenly(proven('flows'), 'lossy'), mostly(both(overPods, about), 'lossy')],
        price: 1,
      }),
    ),
  ],
  says(said) {
    const { losses: { forth, back } = {} } = said
    const ends = endsIn(said.scope)
    if (forth !== undefined && back !== undefined && ends !== undefined) {
      const [from, to] = ends
      return said.direction === 'return'
        ? `${shareText(back)} of packets from ${to} to ${from} are lost${overFamily(said)}, ${shareText(forth)} on the way there`
        : `${shareText(forth)} of packets from ${from} to ${to} are lost${overFamily(said)}, ${shareText(back)} on the way back`
    }
    const losses = said.failing.flatMap((fact) => (isFragmented(fact) ? [] : (fact.loss ?? [])))
    if (losses.length === 0) return `some packets are lost${overFamily(said)}: ${said.where}`
    const low = Math.min(...losses.map((loss) => loss.low))
    const high = Math.max(...losses.map((loss) => loss.high))
    return `between ${percent(low)} and ${percent(high)} of packets are lost${overFamily(said)}: ${said.where}`
  },
  next: (said) => repeated(said, ' --count 200 --interval 100ms'),
}

/** Returns `10 % (7 % to 13 %)`. */
function shareText({ lost, of, low, high }: Share): string {
  return lost === 0 ? 'none' : `${percent(lost / of)} (${percent(low)} to ${percent(high)})`
}

import type { SeriesReport } from '@scout/core'
import { linkLabels } from './labels.ts'
import type { SeriesMetric } from './reading.ts'

type Packets = NonNullable<SeriesReport['total']['packets']>

/** Counts of packets on single links, of the checks whose other side counts them, too: it knows what arrived without an answer. */
export const packetMetrics = [
  counterOf('sent', 'Packets sent.', ({ sent }) => sent),
  counterOf(
    'arrived',
    'Packets known to have reached the other side, as it counts them. Those sent and in neither this nor lost_forth have an unknown fate.',
    ({ arrived = 0 }) => arrived,
  ),
  counterOf(
    'lost_forth',
    'Packets known not to have reached the other side. Those that arrived and did not return were lost on the way back.',
    ({ lostForth = 0 }) => lostForth,
  ),
  counterOf('returned', 'Packets answered in time.', ({ returned }) => returned),
  counterOf(
    'duplicated',
    'Packets that arrived twice, on either way, as far as both answers came back.',
    ({ duplicated }) => duplicated,
  ),
  counterOf(
    'duplicated_forth',
    'Packets that the other side received twice. The other duplicated ones were answers.',
    ({ duplicatedForth = 0 }) => duplicatedForth,
  ),
  counterOf(
    'remarked_forth',
    'Packets that reached the other side with another DSCP than they were sent with. Present for checks with a DSCP.',
    ({ remarkedForth }) => remarkedForth,
  ),
  counterOf(
    'remarked_back',
    'Answers that returned with another DSCP than they were sent with. Present where the other side answers with that of the request.',
    ({ remarkedBack }) => remarkedBack,
  ),
  counterOf(
    'reordered',
    'Answers that arrived after the answer to a later packet. Of checks with volleys, packets that later ones overtook on either way.',
    ({ reordered }) => reordered,
  ),
  counterOf(
    'reordered_forth',
    'Packets of volleys that later ones overtook on the way there. The other reordered ones were answers.',
    ({ reorderedForth }) => reorderedForth,
  ),
] as const

/** A count that is undefined has no sample. */
function counterOf(name: string, help: string, read: (packets: Packets) => number | undefined) {
  const countedIn = ({ total: { packets } }: SeriesReport) =>
    packets?.arrived === undefined ? undefined : read(packets)
  return {
    name: `scout_probe_packets_${name}_total`,
    help,
    type: 'counter',
    labels: linkLabels,
    size: (series) => (countedIn(series) === undefined ? 0 : 1),
    readSeries(series, write) {
      const count = countedIn(series)
      if (count !== undefined) write(count)
    },
  } as const satisfies SeriesMetric
}

import { type Ratio, spreadOf } from '../report/ratios.ts'
import type { Row } from './rounds.ts'
import type { Figure } from './sample.ts'

type Statistic = 'median' | 'p99'

interface Limit {
  readonly figure: string
  /** A cell, by tool and condition. */
  readonly of: readonly [tool: string, condition: string]
  /** The better of these is what it is compared with. */
  readonly against: readonly (readonly [tool: string, condition: string])[]
  readonly by: Figure
  readonly limits: Readonly<Partial<Record<Statistic, number>>>
}

const limits: readonly Limit[] = [
  {
    figure: 'ICMP, 1 target, idle',
    of: ['scout', 'icmp'],
    against: [
      ['ping', 'icmp'],
      ['fping', 'icmp'],
    ],
    by: 'round trip',
    limits: { median: 0.7, p99: 0.5 },
  },
  {
    figure: 'ICMP, 500 targets',
    of: ['scout', 'icmp, 500 targets'],
    against: [['fping', 'icmp, 500 targets']],
    by: 'round trip',
    limits: { median: 0.5, p99: 0.5 },
  },
  ...[
    { name: 'ICMP', condition: 'icmp, 2 ms', by: 'round trip' } as const,
    { name: 'UDP', condition: 'udp', by: 'round trip' } as const,
    { name: 'DNS', condition: 'dns', by: 'round trip' } as const,
    { name: 'SYN', condition: 'syn', by: 'connect' } as const,
  ].map(
    ({ name, condition, by }): Limit => ({
      figure: `${name}, event loop 80 % busy`,
      of: ['scout', `${condition}, busy`],
      against: [['scout', condition]],
      by,
      limits: { p99: 1.5 },
    }),
  ),
  ...['udp', 'udp, both ends busy'].map(
    (condition): Limit => ({
      figure: condition.replace('udp', 'UDP'),
      of: ['scout', condition],
      against: [
        ['irtt', condition],
        ['sockperf', condition],
      ],
      by: 'round trip',
      limits: { p99: 0.3 },
    }),
  ),
  {
    figure: 'UDP, reflector 80 % busy',
    of: ['scout', 'udp, reflector busy'],
    against: [['scout', 'udp']],
    by: 'round trip',
    limits: { p99: 1.5 },
  },
  {
    figure: 'DNS',
    of: ['scout', 'dns'],
    against: [['dig', 'dns']],
    by: 'round trip',
    limits: { p99: 0.3 },
  },
  ...['udp', 'dns'].map(
    (condition): Limit => ({
      figure: condition.toUpperCase(),
      of: ['scout', condition],
      against: [['dgram', condition]],
      by: 'round trip',
      limits: { median: 0.1 },
    }),
  ),
  ...['blackbox', 'go'].map(
    (tool): Limit => ({
      figure: 'TCP connect',
      of: ['scout', 'tcp'],
      against: [[tool, 'http']],
      by: 'connect',
      limits: { median: 0.2, p99: 0.5 },
    }),
  ),
  { figure: 'SYN', of: ['scout', 'syn'], against: [['scout', 'tcp']], by: 'connect', limits: { p99: 0.7 } },
  {
    figure: 'HTTP first byte, main thread 80 % busy',
    of: ['scout', 'http, busy'],
    against: [['scout', 'http']],
    by: 'first byte',
    limits: { median: 1.5 },
  },
]

/** Every limit with what was measured. */
export function ratiosOf(rows: readonly Row[]): readonly Ratio[] {
  const ratios = limits.flatMap(({ limits, ...limit }) =>
    (['median', 'p99'] as const).flatMap((statistic) => {
      const most = limits[statistic]
      return most === undefined ? [] : [ratioOf({ ...limit, statistic, limit: most }, rows)]
    }),
  )
  return [...ratios, falselyLost(rows)]
}

function ratioOf(
  { figure, of, against, by, statistic, limit }: Omit<Limit, 'limits'> & { statistic: Statistic; limit: number },
  rows: readonly Row[],
): Ratio {
  const peers = against.map(([tool, condition]) => (tool === 'scout' ? `itself, ${condition}` : tool)).join(', ')
  const named = { figure: `${figure}: ${statistic}`, against: against.length > 1 ? `better of ${peers}` : peers, limit }
  const own = sizesOf(rows, of, { by, statistic })
  const others = against.map((cell) => sizesOf(rows, cell, { by, statistic }))
  // A round counts when both sides took part in it.
  const ratios = own.map((size, round) => size / Math.min(...others.map((sizes) => sizes[round] ?? Number.NaN)))
  return { ...named, ...spreadOf(ratios.filter(Number.isFinite)) }
}

/** Of each round; not a number where there is none. */
function sizesOf(
  rows: readonly Row[],
  [tool, condition]: Limit['of'],
  { by, statistic }: { readonly by: Figure; readonly statistic: Statistic },
): readonly number[] {
  const row = rows.find((row) => row.tool === tool && row.condition === condition)
  return (row?.rounds ?? []).map((round) => {
    const errors = round?.errors[by]
    if (errors === undefined) return Number.NaN
    return statistic === 'median' ? Math.abs(errors.medianUs) : errors.p99Us
  })
}

function falselyLost(rows: readonly Row[]): Ratio {
  const condition = 'icmp, 500 targets, 2 ms, busy'
  const rounds = rows.find((row) => row.condition === condition)?.rounds ?? []
  return {
    figure: 'ICMP, 500 targets, event loop 80 % busy: answers lost or called late',
    against: 'the wire',
    limit: 0,
    ...spreadOf(rounds.flatMap((round) => (round === undefined ? [] : [round.falselyLost]))),
  }
}

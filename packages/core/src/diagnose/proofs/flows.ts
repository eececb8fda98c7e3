import { groupBy } from '../../model/group-by.ts'
import type { AnyResult } from '../../probes/index.ts'
import { failureIn, type Proof, type Reading } from './proof.ts'

/*
 * Whether losses keep to some flows. Routers and bonds choose one of several paths by addresses and ports, so that a broken path loses every
 * packet of some source ports and none of the others, while random loss hits all of them alike.
 */

const rounds = 8
const ports = 16

export const flows: Proof = {
  subject: 'one of several flows',
  summary: `send ${rounds} packets from each of ${ports} source ports, over UDP and as SYNs of TCP: random loss hits all of them, a broken path always the same`,
  rounds,
  attempts: () => [
    { protocol: 'udp', options: { flows: ports, timeoutMs: 1_000 } },
    { protocol: 'syn', options: { flows: ports, timeoutMs: 1_000 } },
  ],
  read(results) {
    const seen = flowsIn(results)
    const sent = sumOf(seen, ({ sent }) => sent)
    const lost = sumOf(seen, ({ lost }) => lost)
    if (sent === 0) return { says: failureIn(results), packets: 0, values: {} }
    // A filter of one protocol is no path.
    const unlike = groupBy(seen, ({ protocol }) => protocol).filter(areUnlike)
    const failing = unlike.flatMap(failingOf)
    const flows = seen.map(({ name, sent, lost }) => ({ name, sent, lost }))
    const values = { sent, lost, failing: failing.map(({ name }) => name), flows }
    return { ...readingOf(seen, { sent, lost, failing, isByChance: unlike.length === 0 }), packets: sent, values }
  },
}

interface Flow {
  readonly protocol: string
  /** `udp 41001` */
  readonly name: string
  readonly sent: number
  readonly lost: number
}

interface Counted {
  readonly sent: number
  readonly lost: number
  readonly failing: readonly Flow[]
  readonly isByChance: boolean
}

function readingOf(
  seen: readonly Flow[],
  { sent, lost, failing, isByChance }: Counted,
): Pick<Reading, 'says' | 'shows'> {
  if (failing.length > 0) {
    const of = { sent: sumOf(failing, (flow) => flow.sent), lost: sumOf(failing, (flow) => flow.lost) }
    const others = `the others lose ${lost - of.lost} of ${sent - of.sent}`
    return {
      says: `${flowsText(failing, seen)} ${of.lost} of ${of.sent} packets (source port${failing.length === 1 ? '' : 's'} ${namesOf(failing)}), ${others}`,
      shows: 'silent',
    }
  }
  if (lost === 0) return { says: `${seen.length} flows lose none of ${sent} packets`, shows: 'passes' }
  const hit = seen.filter((flow) => flow.lost > 0)
  const says = `${flowsText(hit, seen)} ${lost} of ${sent} packets`
  return isByChance ? { says: `${says}, as by chance`, shows: 'lossy' } : { says }
}

function flowsText(hit: readonly Flow[], seen: readonly Flow[]): string {
  return `${hit.length} of ${seen.length} flows ${hit.length === 1 ? 'loses' : 'lose'}`
}

const mostNamed = 8

function namesOf(failing: readonly Flow[]): string {
  const names = failing.slice(0, mostNamed).map(({ name }) => name)
  return failing.length > mostNamed ? `${names.join(', ')} and ${failing.length - mostNamed} more` : names.join(', ')
}

/** A flow of a broken path loses at least this share. */
const failingRatio = 0.5

/** Standard deviations above the mean of chi-squared: for so many flows, chance exceeds that less than once in a thousand times. */
const deviations = 5

/**
 * Returns whether some flows of one protocol lose more than others, beyond what chance allows (Pearson's chi-squared test), or lose all:
 * what a filter drops is no chance, either.
 */
function areUnlike(seen: readonly Flow[]): boolean {
  const ratio = sumOf(seen, ({ lost }) => lost) / sumOf(seen, ({ sent }) => sent)
  if (ratio === 0 || ratio === 1) return ratio === 1
  const dispersion = sumOf(seen, ({ sent, lost }) => (lost - sent * ratio) ** 2 / (sent * ratio * (1 - ratio)))
  const freedom = seen.length - 1
  return dispersion > freedom + deviations * Math.sqrt(2 * freedom)
}

/** Returns those of unlike flows that a broken path loses. */
function failingOf(seen: readonly Flow[]): readonly Flow[] {
  const failing = seen.filter(({ sent, lost }) => lost >= sent * failingRatio && lost >= rounds / 2)
  // Packets leave in the same order each time: a limit on bursts drops the last ones, and a filter all.
  return failing.every((flow) => seen.indexOf(flow) >= seen.length - failing.length) ? [] : failing
}

function flowsIn(results: readonly AnyResult[]): readonly Flow[] {
  const counts = new Map<string, { readonly protocol: string; readonly sent: number; readonly lost: number }>()
  for (const result of results) {
    if (result.protocol !== 'udp' && result.protocol !== 'syn') continue
    for (const { sourcePort, rttNs } of result.detail?.flows ?? []) {
      if (sourcePort === undefined) continue
      const name = `${result.protocol} ${sourcePort}`
      const { protocol, sent, lost } = counts.get(name) ?? { protocol: result.protocol, sent: 0, lost: 0 }
      counts.set(name, { protocol, sent: sent + 1, lost: lost + (rttNs === undefined ? 1 : 0) })
    }
  }
  return [...counts].map(([name, count]) => ({ name, ...count }))
}

function sumOf(seen: readonly Flow[], of: (flow: Flow) => number): number {
  return seen.reduce((sum, flow) => sum + of(flow), 0)
}

import type { Way } from '../state/documents.ts'

/** Who answers at one hop, for all flows that show it. */
export interface Stop {
  readonly id: string
  readonly hop: number
  /** Absent if nobody answers. */
  readonly address?: string
  readonly isTarget: boolean
  /** The last hop that nobody answers, if several in a row are one stop: a flow ends there. */
  readonly lastHop?: number
  readonly flows: number
  readonly sent: number
  readonly returned: number
  /** Shortest of the medians of its flows. */
  readonly medianNs?: number
}

export interface Step {
  readonly from: string
  readonly to: string
  readonly flows: number
}

/** The ways of all flows as one picture. */
export interface TraceGraph {
  /** Stops of each hop that any flow shows, in order. */
  readonly rows: readonly (readonly Stop[])[]
  readonly steps: readonly Step[]
}

/** Id of the node that sends. */
export const origin = ''

/** Joins the ways of several flows where the same address answers at the same hop. */
export function traceGraphOf(ways: readonly Way[]): TraceGraph {
  const stops = new Map<string, Stop>()
  const steps = new Map<string, Step>()
  for (const way of ways) {
    let before: readonly string[] = [origin]
    for (const own of stopsOf(way)) {
      for (const stop of own) {
        stops.set(stop.id, joined(stops.get(stop.id), stop))
        for (const from of before) {
          const id = JSON.stringify([from, stop.id])
          steps.set(id, { from, to: stop.id, flows: (steps.get(id)?.flows ?? 0) + 1 })
        }
      }
      before = own.map(({ id }) => id)
    }
  }
  const hops = [...new Set([...stops.values()].map(({ hop }) => hop))].toSorted((a, b) => a - b)
  return {
    rows: hops.map((hop) =>
      [...stops.values()].filter((stop) => stop.hop === hop).toSorted((a, b) => b.flows - a.flows),
    ),
    steps: [...steps.values()],
  }
}

/** Returns the stops of one flow by hop. The hops at the end that nobody answers are one. */
function stopsOf({ hops }: Way): readonly (readonly Stop[])[] {
  const lastAnswered = hops.findLastIndex(({ from }) => from.length > 0)
  const silent = hops.slice(lastAnswered + 1)
  const own = hops.slice(0, lastAnswered + 1).map(({ hop, sent, returned, from }) => {
    const shared = { hop, sent, returned, flows: 1 }
    if (from.length === 0) return [{ ...shared, id: `${hop}`, isTarget: false }]
    return from.map(({ address, isTarget, medianNs }) => {
      return { ...shared, id: `${hop} ${address}`, address, isTarget, medianNs }
    })
  })
  const [first] = silent
  const lastHop = silent.at(-1)?.hop
  if (first === undefined || lastHop === undefined) return own
  const sent = silent.reduce((sum, hop) => sum + hop.sent, 0)
  return [...own, [{ id: `${first.hop} end`, hop: first.hop, lastHop, isTarget: false, flows: 1, sent, returned: 0 }]]
}

function joined(known: Stop | undefined, stop: Stop): Stop {
  if (known === undefined) return stop
  const times = [known, stop].flatMap(({ medianNs }) => medianNs ?? [])
  return {
    ...stop,
    flows: known.flows + 1,
    sent: known.sent + stop.sent,
    returned: known.returned + stop.returned,
    ...(times.length === 0 ? {} : { medianNs: Math.min(...times) }),
  }
}

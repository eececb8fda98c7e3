import type { Collected } from '../state/documents.ts'
import { countText, durationText, shareText } from '../state/format.ts'
import { Ago } from '../views/times.tsx'
import { origin, type Stop, type TraceGraph, traceGraphOf } from './trace-graph.ts'

const box = { width: 172, height: 38, gap: 14, below: 26 } as const

/** The way to the other node as a picture, hop by hop downwards, with a branch for flows that go elsewhere. */
export function Trace({ one, from }: { readonly one: Collected; readonly from: string }) {
  const { ways = [], transport = '' } = one.values
  if (ways.length === 0) return null
  const graph = traceGraphOf(ways)
  const arrived = ways.filter(({ isReached }) => isReached).length
  const title = `Trace from ${from} to ${one.to} over ${transport}: ${arrived} of ${countText(ways.length, 'flow')} arrive`
  return (
    <figure class="trace">
      <figcaption>
        {title}{' '}
        <span class="dim">
          <Ago atMs={one.atMs} />
        </span>
      </figcaption>
      <div class="scroll" tabIndex={0} role="region" aria-label={title}>
        <Picture graph={graph} title={title} from={from} />
      </div>
      <details>
        <summary>As a table</summary>
        <div class="scroll" tabIndex={0} role="region" aria-label={`${title}, as a table`}>
          <Table graph={graph} />
        </div>
      </details>
    </figure>
  )
}

interface Drawn {
  readonly graph: TraceGraph
  readonly title: string
  readonly from: string
}

function Picture({ graph: { rows, steps }, title, from }: Drawn) {
  const most = Math.max(1, ...rows.map((stops) => stops.length))
  const width = most * (box.width + box.gap)
  const rowHeight = box.height + box.below
  const places = new Map([[origin, { x: width / 2, y: 0 }]])
  for (const [row, stops] of rows.entries())
    for (const [position, { id }] of stops.entries())
      places.set(id, { x: ((position + 0.5) * width) / stops.length, y: (row + 1) * rowHeight })
  const height = rows.length * rowHeight + box.height
  return (
    <svg width={width} height={height + 2} viewBox={`-1 -1 ${width + 2} ${height + 2}`} role="img" aria-label={title}>
      {steps.map((step) => {
        const [start, end] = [places.get(step.from), places.get(step.to)]
        if (start === undefined || end === undefined) return null
        const [top, bottom] = [start.y + box.height, end.y]
        const middle = (top + bottom) / 2
        return (
          <path
            key={`${step.from} ${step.to}`}
            class="step"
            d={`M${start.x} ${top}C${start.x} ${middle} ${end.x} ${middle} ${end.x} ${bottom}`}
            stroke-width={Math.min(8, 1 + step.flows)}
          />
        )
      })}
      <Box place={places.get(origin)} kind="end" lines={[from, 'sends']} />
      {rows.flat().map((stop) => (
        <Box key={stop.id} place={places.get(stop.id)} kind={kindOf(stop)} lines={[nameOf(stop), factsOf(stop)]} />
      ))}
    </svg>
  )
}

interface BoxShown {
  readonly place: { readonly x: number; readonly y: number } | undefined
  readonly kind: string
  readonly lines: readonly [string, string]
}

function Box({ place, kind, lines: [name, facts] }: BoxShown) {
  if (place === undefined) return null
  const { x, y } = place
  return (
    <g class={kind}>
      <rect x={x - box.width / 2} y={y} width={box.width} height={box.height} rx="3" />
      <text x={x} y={y + 16}>
        {shortened(name)}
        <title>{name}</title>
      </text>
      <text x={x} y={y + 31} class="facts">
        {facts}
      </text>
    </g>
  )
}

const mostLetters = 22

/** Addresses of IPv6 are told apart by their ends. */
function shortened(name: string): string {
  return name.length > mostLetters ? `${name.slice(0, 8)}…${name.slice(9 - mostLetters)}` : name
}

function kindOf({ isTarget, lastHop, address }: Stop): string {
  if (isTarget) return 'end'
  if (lastHop !== undefined) return 'lost'
  return address === undefined ? 'silent' : 'router'
}

function nameOf({ address, hop, lastHop }: Stop): string {
  if (address !== undefined) return address
  if (lastHop === undefined) return `hop ${hop}: no answer`
  return lastHop === hop ? `nothing from hop ${hop}` : `nothing from hop ${hop} on`
}

/** Returns `0.42 ms, 33 % lost`. */
function factsOf({ medianNs, sent, returned, flows, lastHop }: Stop): string {
  if (lastHop !== undefined) return `${countText(flows, 'flow')} lost`
  const loss = returned < sent ? `${shareText(sent - returned, sent)} unanswered` : 'all answered'
  return medianNs === undefined ? loss : `${durationText(medianNs)}, ${loss}`
}

function Table({ graph: { rows } }: { readonly graph: TraceGraph }) {
  return (
    <table>
      <thead>
        <tr>
          <th>Hop</th>
          <th>Answers</th>
          <th>Flows</th>
          <th>Round trip</th>
          <th>Unanswered</th>
        </tr>
      </thead>
      <tbody>
        {rows.flat().map((stop) => (
          <tr key={stop.id}>
            <th scope="row">
              {stop.hop}
              {stop.lastHop !== undefined && stop.lastHop > stop.hop && ` to ${stop.lastHop}`}
            </th>
            <td>{stop.address ?? 'nobody'}</td>
            <td class="number">{stop.flows}</td>
            <td class="number">{stop.medianNs !== undefined && durationText(stop.medianNs)}</td>
            <td class="number">{shareText(stop.sent - stop.returned, stop.sent)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

import { useState } from 'preact/hooks'
import type { Cell, HistoryDocument } from '../state/documents.ts'
import { clockText, threeDigits } from '../state/format.ts'
import { alignedTo, jointly, type Points, pointsOf, type Span } from '../state/series.ts'
import { Chart } from '../views/chart.tsx'
import { useDocument } from '../views/use-document.ts'
import type { PhaseLog } from './phases.ts'

const refreshMs = 10_000

interface Shown {
  readonly link: { readonly from: string; readonly to: string }
  readonly cells: readonly Cell[]
  readonly phases: PhaseLog
  readonly atMs: number | undefined
}

/** Round-trip times and failures of one check over time, in both directions. */
export function LinkCharts({ link: { from, to }, cells, phases, atMs }: Shown) {
  const [chosen, setChosen] = useState<string>()
  const [span, setSpan] = useState<Span>('recent')
  const checks = [...new Set(cells.map(({ check }) => check))]
  const failing = cells.find(({ state }) => state === 'failing')?.check
  // The choice must not change with each state, so it is made once.
  const [first] = useState(failing ?? checks[0] ?? '')
  const check = chosen ?? first
  const forth = useDocument<HistoryDocument>(pathOf(from, to, check), refreshMs)
  const back = useDocument<HistoryDocument>(pathOf(to, from, check), refreshMs)
  const points = (document: HistoryDocument | undefined) =>
    pointsOf(document?.series.filter((series) => series.check === check) ?? [], span)
  const [own, other] = [points(forth.document), points(back.document)]
  const xs = jointly(own.xs, other.xs)
  const [there, reverse] = [alignedTo(xs, own), alignedTo(xs, other)]
  const mark = atMs === undefined ? undefined : atMs / 1000
  const hasDirections = there.forthPercent.some((value) => value !== null)
  const { xs: phaseXs, phases: byPhase } = phases.pointsOf(check)
  return (
    <section aria-label="Over time">
      <div class="filter">
        <label>
          Check{' '}
          <select value={check} onChange={({ currentTarget }) => setChosen(currentTarget.value)}>
            {checks.map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <label>
          Time{' '}
          <select
            value={span}
            onChange={({ currentTarget }) => setSpan(currentTarget.value === 'day' ? 'day' : 'recent')}
          >
            <option value="recent">10 min</option>
            <option value="day">24 h</option>
          </select>
        </label>
      </div>
      <Chart
        title="Round-trip time"
        unit="ms"
        xs={xs}
        mark={mark}
        curves={[
          { title: 'median', values: there.p50Ms, colour: 'accent' },
          { title: 'p99', values: there.p99Ms, colour: 'dim' },
          { title: `median, probed from ${to}`, values: reverse.p50Ms, colour: 'accent', isDashed: true },
        ]}
      />
      <Chart
        title="Attempts that failed"
        unit="%"
        xs={xs}
        mark={mark}
        most={100}
        curves={[
          { title: `probed from ${from}`, values: there.failedPercent, colour: 'failing', isBar: true },
          { title: `probed from ${to}`, values: reverse.failedPercent, colour: 'degraded', isDashed: true },
        ]}
      />
      {hasDirections && (
        <Chart
          title="Packets lost, by direction"
          unit="%"
          xs={xs}
          mark={mark}
          most={100}
          curves={[
            { title: `${from} → ${to}`, values: there.forthPercent, colour: 'failing' },
            { title: `${to} → ${from}`, values: there.backPercent, colour: 'accent', isDashed: true },
          ]}
        />
      )}
      {byPhase.size > 1 && atMs === undefined && (
        <Chart
          title="Phases of the last results, since this panel was opened"
          unit="ms"
          xs={phaseXs}
          isStacked
          leastSeconds={120}
          curves={[...byPhase].map(([title, values], position) => ({
            title,
            values,
            colour: `phase-${1 + (position % phaseColours)}` as const,
            isBar: true,
          }))}
        />
      )}
      {xs.length > 0 && <Values xs={xs} points={there} />}
    </section>
  )
}

const phaseColours = 6

function pathOf(from: string, to: string, check: string): string {
  return `api/v1/history?${new URLSearchParams({ from, to, check }).toString()}`
}

/** The charts as a table, the newest first. */
function Values({ xs, points }: { readonly xs: readonly number[]; readonly points: Points }) {
  const [isOpen, setOpen] = useState(false)
  const cell = (values: readonly (number | null)[], place: number) => {
    const value = values[place] ?? null
    return <td class="number">{value === null ? '' : threeDigits(value)}</td>
  }
  return (
    <details onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>As a table</summary>
      {isOpen && (
        <div class="scroll" tabIndex={0} role="region" aria-label="Values over time">
          <table>
            <thead>
              <tr>
                <th>Time</th>
                <th>Median, ms</th>
                <th>p99, ms</th>
                <th>Failed, %</th>
              </tr>
            </thead>
            <tbody>
              {[...xs.keys()]
                .slice(-90)
                .toReversed()
                .map((place) => (
                  <tr key={xs[place]}>
                    <th scope="row">{clockText(1000 * (xs[place] ?? 0))}</th>
                    {cell(points.p50Ms, place)}
                    {cell(points.p99Ms, place)}
                    {cell(points.failedPercent, place)}
                  </tr>
                ))}
            </tbody>
          </table>
        </div>
      )}
    </details>
  )
}

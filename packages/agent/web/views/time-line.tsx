import { useState } from 'preact/hooks'
import type { IncidentReport, LinksDocument } from '../state/documents.ts'
import { clockText } from '../state/format.ts'
import type { Go } from './app.tsx'
import { useNowMs } from './times.tsx'

/** What an agent remembers: ten minutes by 10 s, a day by the minute. */
const spans = [
  { name: '10 min', ms: 600_000, stepMs: 10_000 },
  { name: '1 h', ms: 3_600_000, stepMs: 60_000 },
  { name: '6 h', ms: 6 * 3_600_000, stepMs: 60_000 },
  { name: '24 h', ms: 24 * 3_600_000, stepMs: 60_000 },
] as const

interface Shown {
  readonly incidents: readonly IncidentReport[]
  readonly atMs: number | undefined
  /** The time that is remembered; absent if none is. */
  readonly record: LinksDocument['record']
  readonly go: Go
}

/** Moves the page into the past; its right end is the present. Marks show when incidents were open. */
export function TimeLine({ incidents, atMs, record, go }: Shown) {
  const nowMs = useNowMs()
  const reached = spans.findIndex(({ ms }) => atMs !== undefined && nowMs - atMs <= ms)
  const [chosen, setChosen] = useState(0)
  const { ms, stepMs } = spans[Math.max(chosen, reached)] ?? spans[0]
  const steps = ms / stepMs
  const presentStep = Math.floor(nowMs / stepMs)
  const step = atMs === undefined ? steps : Math.max(0, steps - (presentStep - Math.floor(atMs / stepMs)))
  const earliestMs = Math.ceil((record?.fromMs ?? 0) / stepMs) * stepMs
  const move = (to: number) => {
    const wantedMs = Math.max(earliestMs, (presentStep - steps + to) * stepMs)
    go({ atMs: to >= steps ? undefined : wantedMs }, { replace: atMs !== undefined })
  }
  const marks = incidents
    .map(({ id, openedAtMs, closedAtMs = nowMs }) => ({
      id,
      start: Math.max(0, 1 - (nowMs - openedAtMs) / ms),
      end: 1 - (nowMs - closedAtMs) / ms,
    }))
    .filter(({ end }) => end > 0)
  return (
    <section class="time-line" aria-label="Time">
      <label for="time">Time</label>
      <div class="track">
        <input
          id="time"
          type="range"
          min={0}
          max={steps}
          step={1}
          disabled={record === undefined && atMs === undefined}
          value={step}
          aria-valuetext={atMs === undefined ? 'live' : clockText(atMs)}
          onInput={({ currentTarget }) => move(Number(currentTarget.value))}
        />
        <svg viewBox="0 0 1000 4" preserveAspectRatio="none" aria-hidden="true">
          {marks.map(({ id, start, end }) => (
            <rect key={id} x={1000 * start} width={Math.max(3, 1000 * (end - start))} height="4" />
          ))}
        </svg>
      </div>
      <output for="time">{atMs === undefined ? 'live' : clockText(atMs)}</output>
      <select
        aria-label="Length of the time line"
        value={Math.max(chosen, reached)}
        onChange={({ currentTarget }) => setChosen(Number(currentTarget.value))}
      >
        {spans.map(({ name }, index) => (
          <option value={index}>{name}</option>
        ))}
      </select>
    </section>
  )
}

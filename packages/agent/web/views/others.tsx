import { useState } from 'preact/hooks'
import { cellsText, compareNames, levelOf } from '../matrix/model.ts'
import type { Cell, LinksDocument, OtherReport } from '../state/documents.ts'
import { countText } from '../state/format.ts'
import { Ago } from './times.tsx'

const kinds = { 'name-server': 'Name servers', service: 'Services', name: 'Names outside the cluster' } as const

/** What nodes probe besides each other. */
export function Others({ links: { others } }: { readonly links: LinksDocument }) {
  const byKind = Map.groupBy(others, ({ kind }) => kind)
  return (
    <>
      {others.length === 0 && <p>No check targets a name server, a service or a name.</p>}
      {(['name-server', 'service', 'name'] as const).map((kind) => {
        const ofKind = byKind.get(kind)
        if (ofKind === undefined) return null
        const byTarget = [...Map.groupBy(ofKind, ({ target }) => target)]
        return (
          <section key={kind} aria-label={kinds[kind]}>
            <h2>{kinds[kind]}</h2>
            {byTarget
              .toSorted(
                ([a, left], [b, right]) => failingOf(right).length - failingOf(left).length || compareNames(a, b),
              )
              .map(([target, reports]) => (
                <Target key={target} target={target} reports={reports} />
              ))}
          </section>
        )
      })}
    </>
  )
}

interface TargetShown {
  readonly target: string
  readonly reports: readonly OtherReport[]
}

const mostNodes = 100
/** A table that is no longer than this is open at once. */
const fewNodes = 12

function Target({ target, reports }: TargetShown) {
  const failing = failingOf(reports)
  const [isOpen, setOpen] = useState(failing.length > 0 || reports.length <= fewNodes)
  return (
    <details open={isOpen} onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>
        <strong>{target}</strong>{' '}
        <span class={failing.length > 0 ? 'failing' : 'ok'}>
          {failing.length > 0
            ? `fails from ${failing.length} of ${countText(reports.length, 'node')}`
            : `passes from ${countText(reports.length, 'node')}`}
        </span>
      </summary>
      {isOpen && <Table target={target} reports={reports} />}
    </details>
  )
}

/** A row for each node, those that fail first, and a column for each check. */
function Table({ target, reports }: TargetShown) {
  const failing = failingOf(reports)
  const checks = [...new Set(reports.flatMap(({ cells }) => cells.map(({ check }) => check)))]
  const sorted = reports.toSorted(
    (a, b) => Number(failing.includes(b)) - Number(failing.includes(a)) || compareNames(a.from, b.from),
  )
  return (
    <>
      <div class="scroll" tabIndex={0} role="region" aria-label={`Checks of ${target}`}>
        <table>
          <thead>
            <tr>
              <th>From</th>
              {checks.map((check) => (
                <th key={check}>{check}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {sorted.slice(0, mostNodes).map(({ from, cells }) => (
              <tr key={from}>
                <th scope="row">{from}</th>
                {checks.map((check) => (
                  <CheckCell key={check} cells={cells.filter((cell) => cell.check === check)} />
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {sorted.length > mostNodes && <p class="dim">and {sorted.length - mostNodes} more</p>}
    </>
  )
}

function CheckCell({ cells }: { readonly cells: readonly Cell[] }) {
  const trouble = cells.find(({ state }) => state === 'failing' || state === 'unable')
  return (
    <td class={levelOf(cells)}>
      {cellsText(cells)}
      {trouble?.sinceMs !== undefined && (
        <span class="dim">
          {' '}
          since <Ago atMs={trouble.sinceMs} />
        </span>
      )}
      {trouble?.message !== undefined && <div class="dim">{trouble.message}</div>}
    </td>
  )
}

function failingOf(reports: readonly OtherReport[]): readonly OtherReport[] {
  return reports.filter(({ cells }) => ['failing', 'degraded'].includes(levelOf(cells)))
}

import { useEffect, useRef } from 'preact/hooks'
import { failuresText, levelOf } from '../matrix/model.ts'
import type { LinkDocument, LinksDocument } from '../state/documents.ts'
import type { Go } from '../views/app.tsx'
import { Ago } from '../views/times.tsx'
import { useDocument } from '../views/use-document.ts'
import { CellTable } from './cell-table.tsx'
import { LinkCharts } from './charts.tsx'
import { LinkFacts } from './facts.tsx'
import { LastResults } from './last-results.tsx'
import { PhaseLog } from './phases.ts'

const refreshMs = 10_000

interface Shown {
  readonly link: { readonly from: string; readonly to: string }
  readonly links: LinksDocument
  readonly atMs: number | undefined
  readonly go: Go
}

/** Everything about one link, and what its reverse shows beside it. */
export function LinkPanel({ link: { from, to }, links, atMs, go }: Shown) {
  const heading = useRef<HTMLHeadingElement>(null)
  const forth = useDocument<LinkDocument>(pathOf(from, to), refreshMs)
  const back = useDocument<LinkDocument>(pathOf(to, from), refreshMs)
  const phases = useRef<PhaseLog>(undefined)
  phases.current ??= new PhaseLog()
  if (forth.document !== undefined) phases.current.add(forth.document)
  const close = () => go({ view: 'mesh', link: undefined })
  useEffect(() => {
    const opener = document.activeElement
    heading.current?.focus({ preventScroll: true })
    heading.current?.closest('aside')?.scrollIntoView({ block: 'nearest' })
    return () => {
      if (opener instanceof HTMLElement) opener.focus({ preventScroll: true })
    }
  }, [])
  useEffect(() => heading.current?.closest('aside')?.scrollTo({ top: 0 }), [from, to])

  const cells = links.links.find((link) => link.from === from && link.to === to)?.cells ?? []
  const level = levelOf(cells)
  return (
    <aside
      class="panel"
      aria-labelledby="link"
      onKeyDown={(event) => {
        if (event.key === 'Escape') close()
      }}
    >
      <div class="bar">
        <h2 id="link" ref={heading} tabIndex={-1}>
          {from} → {to}
        </h2>
        <button type="button" onClick={() => go({ link: { from: to, to: from } })}>
          Reverse
        </button>
        <button type="button" onClick={close}>
          Close
        </button>
      </div>
      <p class={level}>{verdictOf(links, { cells, level })}</p>
      {cells.length > 0 && <CellTable cells={cells} checks={links.checks} title={`Checks from ${from} to ${to}`} />}
      <LinkCharts link={{ from, to }} cells={cells} phases={phases.current} atMs={atMs} />
      {[forth.trouble, back.trouble].map(
        (trouble) => trouble !== undefined && <p class="dim">No results: {trouble}</p>,
      )}
      {atMs === undefined && <LinkFacts link={{ from, to }} forth={forth.document} back={back.document} />}
      <Failures document={forth.document} />
      {atMs === undefined && forth.document !== undefined && <LastResults document={forth.document} />}
    </aside>
  )
}

function verdictOf(
  { isAbridged }: LinksDocument,
  { cells, level }: { cells: LinksDocument['links'][number]['cells']; level: string },
) {
  if (level === 'failing' || level === 'degraded') return `${level}: ${failuresText(cells)}`
  if (level === 'none')
    return isAbridged
      ? 'Every check passes; details are left out of large meshes.'
      : 'Nothing is known about this link here.'
  return level === 'ok' ? 'Every check with a result passes.' : level
}

function pathOf(from: string, to: string): string {
  return `api/v1/link?${new URLSearchParams({ from, to }).toString()}`
}

function Failures({ document }: { readonly document: LinkDocument | undefined }) {
  const failures = (document?.series ?? [])
    .flatMap(({ check, family, failures }) =>
      failures.flatMap((result) => (result.ok ? [] : [{ check, family, atMs: result.startedAtMs, ...result.failure }])),
    )
    .toSorted((a, b) => b.atMs - a.atMs)
  if (failures.length === 0) return null
  return (
    <details class="failures" open={failures.length < 6}>
      <summary>
        Newest failures <span class="dim">{failures.length}</span>
      </summary>
      <ol>
        {failures.slice(0, 50).map(({ atMs, check, family, reason, phase, message }) => (
          <li key={`${atMs} ${check} ${family}`}>
            <Ago atMs={atMs} /> <strong>{check}</strong>
            {family === 'ipv6' && ' over IPv6'}: {reason} in {phase}
            <div class="dim">{message}</div>
          </li>
        ))}
      </ol>
    </details>
  )
}

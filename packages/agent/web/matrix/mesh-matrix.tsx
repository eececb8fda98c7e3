import { useMemo } from 'preact/hooks'
import type { LinksDocument } from '../state/documents.ts'
import { countText } from '../state/format.ts'
import type { Route } from '../state/route.ts'
import type { Go } from '../views/app.tsx'
import { MatrixCanvas } from './canvas.tsx'
import { MatrixFilter } from './filter.tsx'
import { type Level, matrixOf, placesOf } from './model.ts'
import { NodeLinks } from './node-links.tsx'

interface Shown {
  readonly links: LinksDocument
  readonly route: Route
  readonly go: Go
}

const legend: readonly { readonly level: Level; readonly title: string }[] = [
  { level: 'failing', title: 'failing' },
  { level: 'degraded', title: 'lossy or slow' },
  { level: 'ok', title: 'ok' },
  { level: 'waiting', title: 'waiting for results' },
  { level: 'unable', title: 'cannot be measured' },
]

export function MeshMatrix({ links, route, go }: Shown) {
  const { filter } = route
  const places = useMemo(() => placesOf(links, filter.nodes), [links, filter.nodes])
  const matrix = useMemo(() => matrixOf(links, filter, places), [places, JSON.stringify(filter)])
  const { nodes, counts } = matrix
  const total = legend.reduce((sum, { level }) => sum + counts[level], 0)
  return (
    <section aria-labelledby="links">
      <h2 id="links">
        Links{' '}
        <span class="dim">
          {countText(nodes.length, 'node')}, {countText(total, 'link')}
        </span>
      </h2>
      <MatrixFilter links={links} filter={filter} go={go} />
      <MatrixCanvas matrix={matrix} onOpen={(link) => go({ link })} />
      <ul class="legend" aria-label="Legend">
        {legend.map(({ level, title }) => (
          <li key={level}>
            <svg width="12" height="12" viewBox="0 0 12 12" class={level} aria-hidden="true">
              {shapes[level]}
            </svg>
            {title} <span class="dim">{counts[level].toLocaleString('en')}</span>
          </li>
        ))}
      </ul>
      <NodeLinks matrix={matrix} node={route.node} go={go} />
    </section>
  )
}

const shapes = {
  failing: (
    <>
      <path d="M0 0h12v12H0z" class="fill" />
      <path d="M3 3l6 6M9 3l-6 6" class="mark" />
    </>
  ),
  degraded: <path d="M0 12h12V0z" class="fill" />,
  ok: <path d="M1 1h10v10H1z" class="fill" />,
  waiting: <path d="M1.5 1.5h9v9h-9z" class="outline" />,
  unable: <path d="M5 5h2v2H5z" class="fill" />,
  none: null,
} as const

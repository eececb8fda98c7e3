import { useEffect, useRef, useState } from 'preact/hooks'
import type { LinkReport } from '../state/documents.ts'
import type { Go } from '../views/app.tsx'
import { cellsText, failuresText, type Level, levels, type Matrix } from './model.ts'

interface Shown {
  readonly matrix: Matrix
  readonly node: string | undefined
  readonly go: Go
}

/** The matrix as a table: the links of one node, in both directions, the gravest first. */
export function NodeLinks({ matrix, node, go }: Shown) {
  const [isOpen, setOpen] = useState(node !== undefined)
  const element = useRef<HTMLDetailsElement>(null)
  useEffect(() => {
    if (node === undefined) return
    setOpen(true)
    element.current?.scrollIntoView({ block: 'nearest' })
  }, [node])
  return (
    <details
      class="node-links"
      open={isOpen}
      ref={element}
      onToggle={({ currentTarget }) => setOpen(currentTarget.open)}
    >
      <summary>Links of one node as a table</summary>
      {isOpen && <Table matrix={matrix} node={node ?? worstNode(matrix)} go={go} />}
    </details>
  )
}

function Table({ matrix, node, go }: Shown) {
  const { nodes } = matrix
  const own = nodes.findIndex(({ name }) => name === node)
  const rows = nodes
    .map((other, position) => ({ other, out: linkAt(matrix, own, position), back: linkAt(matrix, position, own) }))
    .filter((_, position) => position !== own)
    .toSorted((a, b) => rankOf(b) - rankOf(a))
  return (
    <>
      <label>
        Node{' '}
        <select value={node} onChange={({ currentTarget }) => go({ node: currentTarget.value }, { replace: true })}>
          {nodes.map(({ name }) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <div class="scroll" tabIndex={0} role="region" aria-label={`Links of ${node}`}>
        <table>
          <thead>
            <tr>
              <th>Other node</th>
              <th>Zone</th>
              <th>{node} →</th>
              <th>→ {node}</th>
            </tr>
          </thead>
          <tbody>
            {rows.map(({ other, out, back }) => (
              <tr key={other.name}>
                <th scope="row">{other.name}</th>
                <td>{other.zone}</td>
                <LinkCell found={out} title={`${node} → ${other.name}`} go={go} />
                <LinkCell found={back} title={`${other.name} → ${node}`} go={go} />
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  )
}

interface Found {
  readonly level: Level
  readonly text: string
  readonly link: LinkReport | undefined
}

function LinkCell({ found: { level, text, link }, title, go }: { found: Found; title: string; go: Go }) {
  if (link === undefined) return <td class="dim">unknown</td>
  const { from, to } = link
  return (
    <td class={level}>
      <button type="button" class="plain" aria-label={`${title}: ${text}`} onClick={() => go({ link: { from, to } })}>
        {text}
      </button>
    </td>
  )
}

function linkAt(matrix: Matrix, from: number, to: number): Found {
  const position = from * matrix.nodes.length + to
  const link = matrix.linkAt(position)
  const level = levels[matrix.levels[position] ?? 0] ?? 'none'
  const cells = link?.cells.filter(matrix.isWanted) ?? []
  return { level, link, text: level === 'failing' ? failuresText(cells) || 'failing' : cellsText(cells) || level }
}

function rankOf({ out, back }: { readonly out: Found; readonly back: Found }): number {
  const [low = 0, high = 0] = [levels.indexOf(out.level), levels.indexOf(back.level)].toSorted((a, b) => a - b)
  return high * levels.length + low
}

/** Returns the node with the most failing links. */
function worstNode({ nodes, levels: found }: Matrix): string | undefined {
  const failing = levels.indexOf('failing')
  const counts = new Array<number>(nodes.length).fill(0)
  for (const [position, level] of found.entries()) {
    if (level !== failing) continue
    for (const end of [Math.floor(position / nodes.length), position % nodes.length])
      counts[end] = (counts[end] ?? 0) + 1
  }
  return nodes[counts.indexOf(Math.max(0, ...counts))]?.name
}

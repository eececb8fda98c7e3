import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { layoutOf, positionAt } from './layout.ts'
import { cellsText, failuresText, levels, type Matrix } from './model.ts'
import { type Colours, type Cursor, coloursOf, paintCursor, paintMatrix } from './paint.ts'

interface Shown {
  readonly matrix: Matrix
  readonly onOpen: (link: { readonly from: string; readonly to: string }) => void
}

/** Draws the matrix. Arrow keys move the cursor, whose link is described below; Enter opens it. */
export function MatrixCanvas({ matrix, onOpen }: Shown) {
  const holder = useRef<HTMLDivElement>(null)
  const canvas = useRef<HTMLCanvasElement>(null)
  const [cursor, setCursor] = useState<Cursor>()
  const width = useWidth(holder)
  const colours = useColours(holder)
  const layout = useMemo(() => layoutOf(matrix, width), [matrix, width])
  const picture = useMemo(() => {
    if (colours === undefined) return undefined
    const { canvas, context } = createCanvas(layout.width, layout.height)
    paintMatrix(context, matrix, { layout, colours })
    return canvas
  }, [matrix, layout, colours])

  useEffect(() => {
    if (canvas.current === null || picture === undefined || colours === undefined) return
    canvas.current.width = picture.width
    canvas.current.height = picture.height
    const context = canvas.current.getContext('2d')
    if (context === null) return
    context.drawImage(picture, 0, 0)
    if (cursor === undefined) return
    context.scale(devicePixelRatio, devicePixelRatio)
    paintCursor(context, cursor, { layout, colours })
  }, [picture, cursor, layout, colours])

  const last = matrix.nodes.length - 1
  const linkAt = (at: Cursor | undefined) => {
    const [from, to] = at === undefined ? [] : [matrix.nodes[at.from]?.name, matrix.nodes[at.to]?.name]
    return from === undefined || to === undefined || from === to ? undefined : { from, to }
  }
  const open = (at: Cursor | undefined) => {
    const link = linkAt(at)
    if (link !== undefined) onOpen(link)
  }
  const cursorAt = ({ offsetX, offsetY }: MouseEvent): Cursor | undefined => {
    const to = positionAt(layout.columns, layout.cellWidth, offsetX)
    const from = positionAt(layout.rows, layout.cellHeight, offsetY)
    return from === undefined || to === undefined ? undefined : { from, to }
  }
  const move = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const at = cursor ?? { from: 0, to: -1 }
    if (event.key === 'Enter') return open(cursor)
    const next =
      event.key === 'n' || event.key === 'p' ? nextTrouble(matrix, cursor, event.key) : moved(event.key, at, last)
    if (next === undefined) return
    event.preventDefault()
    setCursor({ from: clamp(next.from, last), to: clamp(next.to, last) })
    scrollTo(holder.current, layout.columns[clamp(next.to, last)] ?? 0)
  }

  return (
    <>
      <div class="matrix" ref={holder}>
        <canvas
          ref={canvas}
          style={{ width: `${layout.width}px`, height: `${layout.height}px` }}
          tabIndex={0}
          role="application"
          aria-roledescription="matrix"
          aria-label={`Matrix of links between ${matrix.nodes.length} nodes: ${matrix.counts.failing} failing, ${matrix.counts.degraded} degraded, ${matrix.counts.ok} ok`}
          aria-describedby="matrix-keys"
          onKeyDown={move}
          onMouseMove={(event) => setCursor(cursorAt(event))}
          onClick={(event) => {
            const at = cursorAt(event)
            setCursor(at)
            open(at)
          }}
        />
      </div>
      <p class="readout" role="status">
        {cursor === undefined ? (
          <span class="dim" id="matrix-keys">
            Rows probe columns. Arrow keys move, n and p go to the next and previous trouble, Enter opens a link.
          </span>
        ) : (
          describe(matrix, cursor)
        )}
      </p>
    </>
  )
}

function describe(matrix: Matrix, { from, to }: Cursor): string {
  const [source, target] = [matrix.nodes[from], matrix.nodes[to]]
  if (source === undefined || target === undefined) return ''
  if (from === to) return `${source.name}${zoneText(source)}: the node itself, ${source.state}`
  const position = from * matrix.nodes.length + to
  const level = levels[matrix.levels[position] ?? 0] ?? 'none'
  const cells = matrix.linkAt(position)?.cells.filter(matrix.isWanted) ?? []
  const what = level === 'none' ? 'nothing known' : level === 'failing' ? failuresText(cells) : cellsText(cells)
  const title = level === 'none' || what === level ? '' : `${level}, `
  return `${source.name}${zoneText(source)} → ${target.name}${zoneText(target)}: ${title}${what || level}`
}

function zoneText({ zone }: Matrix['nodes'][number]): string {
  return zone === undefined ? '' : ` (${zone})`
}

function moved(key: string, { from, to }: Cursor, last: number): Cursor | undefined {
  switch (key) {
    case 'ArrowLeft':
      return { from, to: to - 1 }
    case 'ArrowRight':
      return { from, to: to + 1 }
    case 'ArrowUp':
      return { from: from - 1, to: Math.max(0, to) }
    case 'ArrowDown':
      return { from: to < 0 ? 0 : from + 1, to: Math.max(0, to) }
    case 'Home':
      return { from, to: 0 }
    case 'End':
      return { from, to: last }
    case 'PageUp':
      return { from: from - 10, to }
    case 'PageDown':
      return { from: from + 10, to }
    default:
      return undefined
  }
}

function clamp(position: number, last: number): number {
  return Math.max(0, Math.min(last, position))
}

/** Returns the next link, in reading order, that fails or loses packets; after the last comes the first. */
function nextTrouble({ levels: found, nodes }: Matrix, cursor: Cursor | undefined, key: 'n' | 'p'): Cursor | undefined {
  const size = nodes.length
  const start = cursor === undefined ? -1 : cursor.from * size + cursor.to
  const degraded = levels.indexOf('degraded')
  for (let step = 1; step <= found.length; step++) {
    const offset = key === 'n' ? step : -step
    const position = (start + offset + 2 * found.length) % found.length
    if ((found[position] ?? 0) >= degraded) return { from: Math.floor(position / size), to: position % size }
  }
  return undefined
}

function scrollTo(holder: HTMLElement | null, x: number): void {
  if (holder === null || holder.scrollWidth <= holder.clientWidth) return
  if (x < holder.scrollLeft || x > holder.scrollLeft + holder.clientWidth - 40)
    holder.scrollLeft = x - holder.clientWidth / 2
}

function createCanvas(width: number, height: number) {
  const canvas = document.createElement('canvas')
  canvas.width = Math.ceil(width * devicePixelRatio)
  canvas.height = Math.ceil(height * devicePixelRatio)
  const context = canvas.getContext('2d')
  if (context === null) throw new Error('this browser draws no canvas')
  context.scale(devicePixelRatio, devicePixelRatio)
  return { canvas, context }
}

function useWidth(holder: { readonly current: HTMLElement | null }): number {
  const [width, setWidth] = useState(600)
  useEffect(() => {
    const { current } = holder
    if (current === null) return
    const observer = new ResizeObserver(() => setWidth(current.clientWidth))
    observer.observe(current)
    return () => observer.disconnect()
  }, [holder])
  return width
}

/** Returns the colours of the page, again when the system changes between dark and light. */
function useColours(holder: { readonly current: HTMLElement | null }): Colours | undefined {
  const [colours, setColours] = useState<Colours>()
  useEffect(() => {
    const read = () => holder.current !== null && setColours(coloursOf(holder.current))
    read()
    const dark = matchMedia('(prefers-color-scheme: dark)')
    dark.addEventListener('change', read)
    return () => dark.removeEventListener('change', read)
  }, [holder])
  return colours
}

import { type Layout, texted } from './layout.ts'
import { cellsText, type Level, levels, type Matrix } from './model.ts'

/** Colours of the page, which differ between dark and light. */
export interface Colours {
  readonly text: string
  readonly dim: string
  readonly line: string
  readonly ground: string
  readonly accent: string
  readonly levels: Readonly<Record<Level, { readonly fill: string; readonly text: string }>>
}

export interface Cursor {
  readonly from: number
  readonly to: number
}

export function coloursOf(element: Element): Colours {
  const style = getComputedStyle(element)
  const value = (name: string) => style.getPropertyValue(`--${name}`).trim()
  const level = (name: string) => ({ fill: value(name), text: value(`on-${name}`) })
  return {
    text: value('text'),
    dim: value('dim'),
    line: value('line'),
    ground: value('ground'),
    accent: value('accent'),
    levels: {
      none: level('none'),
      unable: level('unable'),
      waiting: level('waiting'),
      ok: level('ok'),
      degraded: level('degraded'),
      failing: level('failing'),
    },
  }
}

const font = '12px system-ui, sans-serif'

/** Draws everything but the cursor. Levels differ in shape as well as in colour. */
export function paintMatrix(context: CanvasRenderingContext2D, matrix: Matrix, look: Look): void {
  context.clearRect(0, 0, look.layout.width, look.layout.height)
  context.font = font
  context.textBaseline = 'middle'
  paintNames(context, matrix, look)
  if (look.layout.cellWidth < smallCell) {
    paintRuns(context, matrix, look)
    if (matrix.counts.failing <= fewFailing) paintFew(context, matrix, look)
  } else paintCells(context, matrix, look)
}

function paintCells(context: CanvasRenderingContext2D, matrix: Matrix, { layout, colours }: Look): void {
  const { cellWidth: width, cellHeight: height } = layout
  for (const [from, y] of layout.rows.entries())
    for (const [to, x] of layout.columns.entries()) {
      const position = from * matrix.nodes.length + to
      const level = levels[matrix.levels[position] ?? 0] ?? 'none'
      paintCell(context, { x, y, width, height }, { level, colours })
      if (level === 'none' || width < texted.width || height < texted.height) continue
      const cells = matrix.linkAt(position)?.cells.filter(matrix.isWanted) ?? []
      context.fillStyle = colours.levels[level].text
      context.textAlign = 'center'
      context.fillText(cellsText(cells), x + width / 2, y + height / 2 + 1, width - 8)
    }
}

/** Draws small cells that are alike and beside each other as one. */
function paintRuns(context: CanvasRenderingContext2D, matrix: Matrix, { layout, colours }: Look): void {
  const size = matrix.nodes.length
  const { cellWidth, cellHeight, columns } = layout
  for (const [from, y] of layout.rows.entries()) {
    let start = 0
    for (let to = 1; to <= size; to++) {
      const level = matrix.levels[from * size + start] ?? 0
      const isNext = columns[to] === (columns[to - 1] ?? 0) + cellWidth
      if (to < size && isNext && matrix.levels[from * size + to] === level) continue
      const x = columns[start] ?? 0
      const name = levels[level] ?? 'none'
      context.fillStyle = colours.levels[name].fill
      if (name === 'unable' || name === 'waiting') {
        const middle = y + Math.floor(cellHeight / 2)
        context.fillRect(x, middle, (to - start) * cellWidth, 1)
      } else if (name !== 'none') context.fillRect(x, y, (to - start) * cellWidth, cellHeight)
      start = to
    }
  }
}

/** Among thousands of small cells, a few that fail are drawn larger, over their neighbours. */
const smallCell = 8
const fewFailing = 300

function paintFew(context: CanvasRenderingContext2D, matrix: Matrix, { layout, colours }: Look): void {
  const failing = levels.indexOf('failing')
  const room = (smallCell - layout.cellWidth) / 2 + 1
  const size = layout.cellWidth + 2 * room
  for (const [position, level] of matrix.levels.entries()) {
    if (level !== failing) continue
    const x = layout.columns[position % matrix.nodes.length] ?? 0
    const y = layout.rows[Math.floor(position / matrix.nodes.length)] ?? 0
    context.fillStyle = colours.ground
    context.fillRect(x - room - 1, y - room - 1, size + 2, size + 2)
    context.fillStyle = colours.levels.failing.fill
    context.fillRect(x - room, y - room, size, size)
    paintCross(context, { x: x - room, y: y - room, width: size, height: size }, colours.levels.failing.text)
  }
}

interface Look {
  readonly layout: Layout
  readonly colours: Colours
}

/** Draws lines from the names to the cell under the cursor. */
export function paintCursor(context: CanvasRenderingContext2D, { from, to }: Cursor, { layout, colours }: Look): void {
  const [x, y] = [layout.columns[to], layout.rows[from]]
  if (x === undefined || y === undefined) return
  const { cellWidth: width, cellHeight: height } = layout
  context.strokeStyle = colours.accent
  context.lineWidth = 1
  const [middleX, middleY] = [Math.round(x + width / 2) + 0.5, Math.round(y + height / 2) + 0.5]
  context.beginPath()
  context.moveTo(layout.left - 6, middleY)
  context.lineTo(x - 2, middleY)
  context.moveTo(middleX, layout.top - 6)
  context.lineTo(middleX, y - 2)
  context.stroke()
  const room = width < 8 ? 3 : 1
  context.lineWidth = 2
  context.strokeRect(x - room, y - room, width - 1 + 2 * room, height - 1 + 2 * room)
}

interface Box {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

function paintCell(
  context: CanvasRenderingContext2D,
  { x, y, width, height }: Box,
  { level, colours }: { readonly level: Level; readonly colours: Colours },
): void {
  if (level === 'none') return
  const [w, h] = [width - 1, height - 1]
  context.fillStyle = colours.levels[level].fill
  context.strokeStyle = colours.levels[level].fill
  switch (level) {
    case 'ok': {
      // Smaller than what deserves a look.
      const inset = width > 11 ? 0 : 1
      context.fillRect(x + inset, y + inset, w - 2 * inset, h - 2 * inset)
      return
    }
    case 'failing':
      context.fillRect(x, y, w, h)
      if (width < texted.width) paintCross(context, { x, y, width: w, height: h }, colours.levels[level].text)
      return
    case 'degraded':
      if (width >= texted.width) return context.fillRect(x, y, w, h)
      context.beginPath()
      context.moveTo(x, y + h)
      context.lineTo(x + w, y + h)
      context.lineTo(x + w, y)
      context.fill()
      return
    case 'waiting':
      context.lineWidth = 1
      context.strokeRect(x + 1, y + 1, w - 2, h - 2)
      return
    case 'unable':
      context.fillRect(x + w / 2 - 1, y + (width >= texted.width ? h - 4 : h / 2 - 1), 2, 2)
      return
  }
}

function paintCross(context: CanvasRenderingContext2D, { x, y, width, height }: Box, colour: string): void {
  const inset = Math.max(2, width / 4)
  context.strokeStyle = colour
  context.lineWidth = Math.max(1, width / 10)
  context.beginPath()
  context.moveTo(x + inset, y + inset)
  context.lineTo(x + width - inset, y + height - inset)
  context.moveTo(x + width - inset, y + inset)
  context.lineTo(x + inset, y + height - inset)
  context.stroke()
}

/** Draws the names of nodes where they fit, those of zones, and a mark at each row and column with a failure. */
function paintNames(context: CanvasRenderingContext2D, matrix: Matrix, { layout, colours }: Look): void {
  const { nodes, zones } = matrix
  const { left, top, cellWidth, cellHeight, hasNames } = layout
  context.fillStyle = colours.dim
  for (const { name, first, count } of zones) {
    const [x = 0, lastX = 0] = [layout.columns[first], layout.columns[first + count - 1]]
    const [y = 0, lastY = 0] = [layout.rows[first], layout.rows[first + count - 1]]
    context.textAlign = 'center'
    context.fillText(name, (x + lastX + cellWidth) / 2, 8, lastX + cellWidth - x)
    if (hasNames) continue
    context.save()
    context.translate(8, (y + lastY + cellHeight) / 2)
    context.rotate(-Math.PI / 2)
    context.fillText(name, 0, 0, lastY + cellHeight - y)
    context.restore()
  }
  const failing = failingEnds(matrix)
  for (const [position, { name }] of nodes.entries()) {
    const [x = 0, y = 0] = [layout.columns[position], layout.rows[position]]
    if (!hasNames) {
      context.fillStyle = colours.levels.failing.fill
      if (failing.from.has(position)) context.fillRect(left - 5, y, 3, cellHeight)
      if (failing.to.has(position)) context.fillRect(x, top - 5, cellWidth, 3)
      continue
    }
    context.fillStyle = failing.from.has(position) ? colours.text : colours.dim
    context.textAlign = 'right'
    context.fillText(shortened(name), left - 8, y + cellHeight / 2 + 1)
    context.fillStyle = failing.to.has(position) ? colours.text : colours.dim
    paintColumnName(context, shortened(name), { x, y: top, width: cellWidth, height: 0 })
  }
}

function paintColumnName(context: CanvasRenderingContext2D, name: string, { x, y, width }: Box): void {
  if (context.measureText(name).width <= width - 4) {
    context.textAlign = 'center'
    context.fillText(name, x + width / 2, y - 10)
    return
  }
  context.save()
  context.translate(x + width / 2, y - 6)
  context.rotate(-Math.PI / 4)
  context.textAlign = 'left'
  context.fillText(name, 0, 0)
  context.restore()
}

/** Long names of nodes differ at their ends. */
function shortened(name: string): string {
  return name.length <= 22 ? name : `…${name.slice(-21)}`
}

function failingEnds({ levels: found, nodes }: Matrix) {
  const failing = levels.indexOf('failing')
  const ends = { from: new Set<number>(), to: new Set<number>() }
  for (const [position, level] of found.entries()) {
    if (level !== failing) continue
    ends.from.add(Math.floor(position / nodes.length))
    ends.to.add(position % nodes.length)
  }
  return ends
}

import type { Matrix } from './model.ts'

/** Where everything of a matrix is drawn, in CSS pixels. */
export interface Layout {
  readonly width: number
  readonly height: number
  readonly cellWidth: number
  readonly cellHeight: number
  /** Room for the names at the left and at the top. */
  readonly left: number
  readonly top: number
  readonly hasNames: boolean
  /** Left edge of a column and top edge of a row, by the position of the node. */
  readonly columns: readonly number[]
  readonly rows: readonly number[]
}

const leastCell = 3
const mostCell = { width: 118, height: 30 } as const
/** Cells that are at least so large have names beside them, and text in them. */
const namedFrom = 11
export const texted = { width: 58, height: 16 } as const
const nameWidth = 7

export function layoutOf({ nodes, zones }: Pick<Matrix, 'nodes' | 'zones'>, availableWidth: number): Layout {
  const count = Math.max(1, nodes.length)
  const gap = zones.length > 1 ? 5 : 0
  const gaps = gap * (zones.length - 1)
  const longest = Math.min(22, Math.max(4, ...nodes.map(({ name }) => name.length)))
  const named = { left: longest * nameWidth + 14, top: gap > 0 ? 38 : 24 }
  const bare = { left: 22, top: 22 }
  const fit = (left: number, right: number) => Math.floor((availableWidth - left - right - gaps) / count)
  const slanted = longest * nameWidth * 0.7
  const hasNames = fit(named.left, slanted) >= namedFrom
  const { left, top } = hasNames ? named : bare
  const straight = fit(left, 2)
  const isSlanted = hasNames && straight < longest * nameWidth
  const right = isSlanted ? slanted : 2
  const cellWidth = Math.min(mostCell.width, Math.max(leastCell, isSlanted ? fit(left, right) : straight))
  const cellHeight = Math.min(mostCell.height, cellWidth)
  const above = isSlanted ? slanted + (gap > 0 ? 30 : 12) : top
  const place = (start: number, size: number) =>
    zones.flatMap(({ first, count }, zone) =>
      Array.from({ length: count }, (_, step) => start + (first + step) * size + zone * gap),
    )
  const columns = place(left, cellWidth)
  const rows = place(above, cellHeight)
  return {
    width: (columns.at(-1) ?? left) + cellWidth + right,
    height: (rows.at(-1) ?? above) + cellHeight + 2,
    cellWidth,
    cellHeight,
    left,
    top: above,
    hasNames,
    columns,
    rows,
  }
}

/** Returns the node whose column or row is at this place, if any. */
export function positionAt(edges: readonly number[], size: number, place: number): number | undefined {
  const after = edges.findIndex((edge) => edge > place)
  const position = (after === -1 ? edges.length : after) - 1
  const edge = edges[position]
  return edge !== undefined && place < edge + size ? position : undefined
}

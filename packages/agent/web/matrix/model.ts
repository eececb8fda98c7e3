import type { Cell, CheckReport, LinkReport, LinksDocument } from '../state/documents.ts'
import { durationText, threeDigits } from '../state/format.ts'
import type { Filter } from '../state/route.ts'

/** What a cell of the matrix shows, from the least to the gravest; `none` where there is no check. */
export const levels = ['none', 'unable', 'waiting', 'ok', 'degraded', 'failing'] as const
export type Level = (typeof levels)[number]

/** Where the links of a document are in a matrix. Nodes are in order of zone and name. */
export interface Places {
  readonly nodes: readonly LinksDocument['nodes'][number][]
  readonly zones: readonly Zone[]
  /** Position of each link, which is `from * nodes.length + to`; -1 if it is not shown. */
  readonly positions: Int32Array
  /** Returns the report at a position. */
  readonly linkAt: (position: number) => LinkReport | undefined
}

/** A square matrix of links. */
export interface Matrix extends Places {
  /** Level of each position, as an index of `levels`. */
  readonly levels: Uint8Array
  readonly counts: Readonly<Record<Level, number>>
  readonly isWanted: (cell: Cell) => boolean
}

/** Nodes that follow each other in the matrix. */
export interface Zone {
  readonly name: string
  readonly first: number
  readonly count: number
}

/** Returns the places of all links between nodes whose name or zone contains a text. */
export function placesOf({ nodes, links }: LinksDocument, part: string | undefined): Places {
  const shown = shownNodes(nodes, part)
  const orders = new Map(shown.map(({ name }, order) => [name, order]))
  // A large mesh has a hundred thousand links: objects for them would cost as much as all else.
  const positions = new Int32Array(links.length).fill(-1)
  const numbers = new Int32Array(shown.length ** 2)
  for (const [index, link] of links.entries()) {
    const from = orders.get(link.from)
    const to = orders.get(link.to)
    if (from === undefined || to === undefined) continue
    const position = from * shown.length + to
    positions[index] = position
    numbers[position] = index + 1
  }
  const linkAt = (position: number) => links[(numbers[position] ?? 0) - 1]
  return { nodes: shown, zones: zonesOf(shown), positions, linkAt }
}

/** Returns the matrix of these places, for what is selected of each link. */
export function matrixOf(document: LinksDocument, filter: Filter, places = placesOf(document, filter.nodes)): Matrix {
  const isWanted = isWantedOf(document.checks, filter)
  const counts = { none: 0, unable: 0, waiting: 0, ok: 0, degraded: 0, failing: 0 }
  const found = new Uint8Array(places.nodes.length ** 2)
  for (const [index, position] of places.positions.entries()) {
    if (position < 0) continue
    const cells = document.links[index]?.cells ?? []
    // Of a large mesh, healthy links have no cells.
    const isSpared = document.isAbridged && cells.length === 0
    const level = isSpared ? 'ok' : levelOf(cells.filter(isWanted), filter.direction)
    found[position] = levels.indexOf(level)
    counts[level]++
  }
  return { ...places, levels: found, counts, isWanted }
}

/** Returns the gravest level of some cells. In one direction it is about packets whose loss has a direction. */
export function levelOf(cells: readonly Cell[], direction?: Filter['direction']): Level {
  const found = cells.map((cell) => levels.indexOf(levelOfCell(cell, direction)))
  return levels[Math.max(0, ...found)] ?? 'none'
}

/** Symptoms of a check that passes, but worse than it did. */
const degraded: ReadonlySet<string | undefined> = new Set(['lossy', 'slow', 'jittery', 'duplicated', 'reordered'])

function levelOfCell({ state, symptom, lost }: Cell, direction: Filter['direction']): Level {
  if (direction === undefined) return state === 'failing' && degraded.has(symptom) ? 'degraded' : state
  const gone = lost?.[direction]
  if (lost === undefined || gone === undefined) return 'none'
  if (gone === 0) return 'ok'
  return gone >= lost.sent ? 'failing' : 'degraded'
}

/** Returns a few words about some cells: what is wrong, or the shortest time. */
export function cellsText(cells: readonly Cell[]): string {
  const level = levelOf(cells)
  if (level === 'failing' || level === 'degraded') {
    const worst = cells.find((cell) => levelOfCell(cell, undefined) === level)
    if (worst === undefined) return level
    const alike = cells.filter((cell) => levelOfCell(cell, undefined) === level)
    return alike.length === cells.length ? troubleText(worst) : `${alike.length}/${cells.length} ${troubleText(worst)}`
  }
  if (level !== 'ok') return level === 'none' ? '' : level
  const times = cells.flatMap(({ medianNs }) => medianNs ?? [])
  return times.length === 0 ? 'ok' : durationText(Math.min(...times))
}

/** Returns `timeout`, `2.1 to 4.5 % lost`, `1.20 ms slower` or `varies by 12.0 ms`. */
function troubleText({ symptom, reason, loss, slowerNs, spreadNs }: Cell): string {
  if (loss !== undefined) return `${threeDigits(100 * loss.low)} to ${threeDigits(100 * loss.high)} % lost`
  if (spreadNs !== undefined) return `varies by ${durationText(spreadNs)}`
  if (slowerNs !== undefined) return `${durationText(slowerNs)} slower`
  return reason ?? symptom ?? 'fails'
}

/** Returns `timeout`, `ok`, or `waiting: busy` where attempts are made and say nothing about the link. */
export function stateText(cell: Cell): string {
  const { state, reason } = cell
  if (state === 'failing') return troubleText(cell)
  return state === 'waiting' && reason !== undefined ? `${state}: ${reason}` : state
}

/** Returns one clause per group of checks: `udp, udp-large: timeout`. */
export function failuresText(cells: readonly Cell[]): string {
  const groups = new Map<string, Set<string>>()
  for (const cell of cells) {
    if (cell.state !== 'failing') continue
    const trouble = troubleText(cell)
    groups.set(trouble, (groups.get(trouble) ?? new Set()).add(cell.check))
  }
  return [...groups].map(([trouble, checks]) => `${[...checks].join(', ')}: ${trouble}`).join('; ')
}

const collator = new Intl.Collator('en', { numeric: true })

export function compareNames(a: string, b: string): number {
  return collator.compare(a, b)
}

function shownNodes(nodes: LinksDocument['nodes'], part: string | undefined) {
  const wanted = part?.toLowerCase() ?? ''
  return nodes
    .filter(({ name, zone = '' }) => name.toLowerCase().includes(wanted) || zone.toLowerCase().includes(wanted))
    .toSorted((a, b) => compareNames(a.zone ?? '', b.zone ?? '') || compareNames(a.name, b.name))
}

function zonesOf(nodes: LinksDocument['nodes']): readonly Zone[] {
  const zones: Zone[] = []
  for (const [position, { zone = '' }] of nodes.entries()) {
    const last = zones.at(-1)
    if (last?.name === zone) zones[zones.length - 1] = { ...last, count: last.count + 1 }
    else zones.push({ name: zone, first: position, count: 1 })
  }
  return zones
}

function isWantedOf(checks: readonly CheckReport[], { protocol, vantage, family }: Filter): (cell: Cell) => boolean {
  const wanted = new Set(
    checks
      .filter(
        (check) => (protocol ?? check.protocol) === check.protocol && (vantage ?? check.vantage) === check.vantage,
      )
      .map(({ name }) => name),
  )
  return (cell) => wanted.has(cell.check) && (family === undefined || cell.family === family)
}

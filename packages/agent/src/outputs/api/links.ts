import {
  changedFact,
  compareNames,
  type End,
  endIdOf,
  endOf,
  type Fact,
  harmless,
  type Row,
  type SeriesReport,
  spreadShown,
} from '@scout/core'
import type { MeshView } from '../../diagnosis/diagnosis.ts'
import type { Moment } from '../../diagnosis/timeline.ts'
import { sightOf } from '../mesh-documents.ts'
import type { Cell, LinksDocument } from './schemas.ts'

/** Cells from which those of healthy links are left out: five megabytes of JSON. */
const mostCells = 60_000

type Other = LinksDocument['others'][number]

/** One cell with its place. */
interface Placed {
  readonly from: string
  readonly to: End
  readonly check: LinksDocument['checks'][number]
  readonly cell: Cell
}

export interface LinksInput {
  readonly mesh: MeshView
  readonly row: Row
  /** The time that `at` may name. */
  readonly record: LinksDocument['record']
}

/** Returns the document at /api/v1/links: this agent's own links from its row, those of the others from their evidence. */
export function linksDocument({ mesh, row, record }: LinksInput): LinksDocument {
  return { ...headOf({ mesh, row, record }), nodes: nodesOf(mesh, row), ...tableOf(placedIn(mesh, row)) }
}

/**
 * Returns the document of a past moment. Where nothing is remembered, a check passed; what has no evidence now had none then. Links of agents
 * that are gone since are there if something failed on them.
 */
export function pastLinksDocument(input: LinksInput, { atMs, facts, nodes }: Moment): LinksDocument {
  const then = new Map(nodes.map((node) => [node.name, node]))
  const isThere = ({ from, to }: Placed) => then.has(from) && (to.kind !== 'node' || then.has(to.name))
  const usual = placedIn(input.mesh, input.row)
    .filter(isThere)
    .map(({ cell: { check, family, state }, ...place }): Placed => {
      const hasRow = then.get(place.from)?.hasRow === true
      return { ...place, cell: { check, family, state: pastState(state, hasRow) } }
    })
  return {
    ...headOf(input),
    atMs,
    nodes: nodes
      .map(({ name, zone, hasRow }) => ({ name, zone, state: hasRow ? ('ready' as const) : ('missing' as const) }))
      .toSorted((a, b) => compareNames(a.name, b.name)),
    // What they took then is in their history.
    ...tableOf([...facts.map((fact) => ofFact(changedFact(fact, { medianNs: undefined }))), ...usual]),
  }
}

function pastState(present: Cell['state'], hasRow: boolean): Cell['state'] {
  if (!hasRow) return 'waiting'
  return present === 'failing' ? 'ok' : present
}

function headOf({ mesh, row: { takenAtMs, self }, record }: LinksInput) {
  const { node, name, version } = self
  return { takenAtMs, self: { node, name, version }, record, ...sightOf(mesh), by: node }
}

function placedIn({ evidence }: MeshView, row: Row): readonly Placed[] {
  const { self, series } = row
  const others = evidence.facts.filter(({ from, protocol }) => from !== self.node && protocol !== 'host')
  return [...series.map((one) => ofSeries(one, endOf(one, row))), ...others.map(ofFact)]
}

/** Returns cells by link, in the order of the names of nodes. */
function tableOf(placed: readonly Placed[]): Pick<LinksDocument, 'checks' | 'isAbridged' | 'links' | 'others'> {
  const isAbridged = placed.length > mostCells
  const checks = new Map(placed.map(({ check }) => [JSON.stringify(check), check]))
  const links = new Map<string, { from: string; to: string; cells: Cell[] }>()
  const others = new Map<string, { from: string; target: string; kind: Other['kind']; cells: Cell[] }>()
  for (const { from, to, check, cell } of placed) {
    if (to.kind === 'node') cellsOf(links, JSON.stringify([from, to.name]), { from, to: to.name }).push(cell)
    else {
      const other = { from, target: to.name, kind: kindOf(to, check.path) }
      cellsOf(others, JSON.stringify([from, endIdOf(to)]), other).push(cell)
    }
  }
  const isSpared = (cells: readonly Cell[]) => isAbridged && cells.every(({ state }) => state === 'ok')
  return {
    checks: [...checks.values()],
    isAbridged,
    links: [...links.values()]
      .map(({ cells, ...link }) => ({ ...link, cells: isSpared(cells) ? [] : distinct(cells) }))
      .toSorted((a, b) => compareNames(a.from, b.from) || compareNames(a.to, b.to)),
    others: [...others.values()].map(({ cells, ...other }) => ({ ...other, cells: distinct(cells) })),
  }
}

function cellsOf<Place extends object>(
  places: Map<string, Place & { cells: Cell[] }>,
  id: string,
  place: Place,
): Cell[] {
  const known = places.get(id) ?? { ...place, cells: [] }
  places.set(id, known)
  return known.cells
}

/** A service has a name of the cluster or an address of it; any other name is one outside. */
function kindOf({ kind, name }: End, path: string): Other['kind'] {
  if (kind === 'name-server') return kind
  return path === 'name' && name.includes('.') && !/\.svc(\.|$)|^[\d.]+$|:/.test(name) ? 'name' : 'service'
}

const ranks = { failing: 0, ok: 1, waiting: 2, unable: 3 } as const

/** Of several cells of one check and family, such as one for each way that packets take, keeps the worst. */
function distinct(cells: readonly Cell[]): readonly Cell[] {
  const worst = new Map<string, Cell>()
  for (const cell of cells) {
    const id = `${cell.check} ${cell.family}`
    const known = worst.get(id)
    if (known === undefined || ranks[cell.state] < ranks[known.state]) worst.set(id, cell)
  }
  return [...worst.values()]
}

function ofSeries(series: SeriesReport, to: End): Placed {
  const { check: name, protocol, path, vantage, family, from, state, sinceMs, recent } = series
  const attempts = recent.passed + recent.failed
  const because = becauseOf(series)
  return {
    from,
    to,
    check: { name, protocol, path, vantage },
    cell: {
      check: name,
      family,
      state,
      sinceMs,
      ...(state === 'ok' ? oddityOf(series) : {}),
      ...(because === undefined ? {} : { reason: because.reason, phase: because.phase, message: because.message }),
      medianNs: series.medianNs,
      lost: recent.lost ?? (attempts === 0 ? undefined : { sent: attempts, lost: recent.failed }),
    },
  }
}

/** Returns the worst of what the detector has found in a series whose last attempt passed. */
function oddityOf(series: SeriesReport): Partial<Cell> {
  const { loss, duplicated, reordered, slow, remarked } = series
  if (loss !== undefined) {
    const { low, high, sinceMs } = loss
    return { state: 'failing', symptom: 'lossy', sinceMs, loss: { low, high } }
  }
  if (duplicated !== undefined) return { state: 'failing', symptom: 'duplicated', sinceMs: duplicated.sinceMs }
  if (reordered !== undefined) return { state: 'failing', symptom: 'reordered', sinceMs: reordered.sinceMs }
  if (slow !== undefined) {
    const spreadNs = spreadShown(series)?.nowNs
    const symptom = spreadNs === undefined ? 'slow' : 'jittery'
    return { state: 'failing', symptom, sinceMs: slow.sinceMs, slowerNs: slow.byNs, spreadNs }
  }
  return remarked === undefined ? {} : { symptom: 'remarked' }
}

/** Returns why attempts fail, or why there is no result though they are made. */
function becauseOf({ state, last, loss, failures, hindered }: SeriesReport) {
  if (state === 'waiting') return failureOf(hindered?.last)
  return state === 'ok' && loss === undefined ? undefined : (failureOf(last) ?? failureOf(failures.at(-1)))
}

function failureOf(result: SeriesReport['last']) {
  return result?.ok === false ? result.failure : undefined
}

function ofFact(fact: Fact): Placed {
  const { check: name, protocol, path, vantage, family, from, to, symptom, sinceMs, medianNs } = fact
  const check = { name, protocol, path, vantage }
  if (symptom === 'passes') return { from, to, check, cell: { check: name, family, state: 'ok', medianNs } }
  if (harmless.has(symptom)) return { from, to, check, cell: { check: name, family, state: 'ok', symptom, medianNs } }
  const { reason = symptom, phase, message, loss, slowerNs, spread } = fact
  const cell = {
    check: name,
    family,
    state: 'failing',
    sinceMs,
    symptom,
    reason,
    phase,
    message,
    medianNs,
    loss,
    slowerNs,
    spreadNs: spread?.nowNs,
  } as const
  return { from, to, check, cell }
}

function nodesOf({ evidence, missing }: MeshView, { self, peers }: Row): LinksDocument['nodes'] {
  const zones = new Map(evidence.nodes.map(({ name, zone }) => [name, zone]))
  const isMissing = new Set(missing.map(({ node }) => node))
  const states = new Map<string, LinksDocument['nodes'][number]['state']>()
  for (const { node, state } of peers) if (states.get(node) !== 'ready') states.set(node, state)
  states.set(self.node, 'ready')
  return [...states]
    .map(([name, state]) => ({
      name,
      zone: zones.get(name) ?? peers.find(({ node }) => node === name)?.zone,
      state: state === 'ready' && isMissing.has(name) ? ('missing' as const) : state,
    }))
    .toSorted((a, b) => compareNames(a.name, b.name))
}

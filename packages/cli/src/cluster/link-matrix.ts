import { familyNames, type Link, linkIdOf, type Mesh } from '@scout/core'
import { type Matrix, renderMatrix } from '../render/matrix.ts'
import type { Cell } from '../render/table.ts'
import type { Output } from '../shell/io.ts'

/** Maximum readable width of a matrix, on any output. */
const widestMatrix = 200

/** Maximum number of failing nodes in a matrix; beyond it the grouped sentences are more useful. */
const mostFailingNodes = 12

/** Renders the matrix of all nodes, by name if it fits, otherwise by number; if that does not fit either, only nodes with failing links. */
export function linkMatrix(mesh: Mesh, out: Output): string {
  const all = [...mesh.links, ...mesh.own]
  if (all.length === 0) return ''
  const width = Math.min(out.columns ?? widestMatrix, widestMatrix)
  const full: Part = { from: mesh.nodes, to: mesh.nodes, hasOwn: mesh.own.length > 0 }
  const whole = fitting(mesh, full, { out, width })
  if (whole !== undefined) return whole
  const failing = all.filter(({ state }) => state === 'failing')
  const isEnd = (node: string, end: 'from' | 'to') => failing.some((link) => link[end] === node)
  const part: Part = {
    from: mesh.nodes.filter((node) => isEnd(node, 'from')),
    to: mesh.nodes.filter((node) => isEnd(node, 'to')),
    hasOwn: failing.some(({ to }) => to === undefined),
  }
  if (failing.length === 0 || part.from.length > mostFailingNodes) return ''
  const reduced = fitting(mesh, part, { out, width })
  return reduced === undefined ? '' : `nodes with failing links:\n\n${reduced}`
}

interface Part {
  readonly from: readonly string[]
  readonly to: readonly string[]
  readonly hasOwn: boolean
}

interface Room {
  readonly out: Output
  readonly width: number
}

function fitting(mesh: Mesh, part: Part, { out, width }: Room): string | undefined {
  // No column is narrower than a sign and its gap.
  if (part.to.length * 3 > width) return undefined
  const named = matrix(mesh, part, out)
  const numbered = byNumbers(named, mesh.nodes)
  return (
    renderMatrix(named, { maxWidth: width, mayFold: false }) ??
    // Cells folded under long names would be harder to read than numbers.
    (named.titles.every((title) => title.length <= 12) ? renderMatrix(named, { maxWidth: width }) : undefined) ??
    renderMatrix(numbered, { maxWidth: width })
  )
}

function byNumbers({ corner, titles, rows }: Matrix, nodes: readonly string[]): Matrix {
  const numbers = new Map(nodes.map((node, index) => [node, String(index + 1)]))
  const digits = String(nodes.length).length
  return {
    corner,
    titles: titles.map((title) => numbers.get(title) ?? title),
    rows: rows.map(({ title, cells }) => ({
      title: `${(numbers.get(title) ?? '').padStart(digits)} ${title}`,
      cells,
    })),
  }
}

function matrix({ links, own, ownChecks }: Mesh, { from, to, hasOwn }: Part, out: Output): Matrix {
  const byEnds = new Map([...links, ...own].map((link) => [linkIdOf(link), link]))
  const find = (from: string, to: string | undefined) => byEnds.get(linkIdOf({ from, to }))
  const columns = [...to, ...(hasOwn ? [undefined] : [])]
  return {
    corner: 'from \\ to',
    titles: columns.map((column) => column ?? ownTitle(ownChecks)),
    rows: from.map((row) => ({ title: row, cells: columns.map((column) => cellOf(find(row, column), out)) })),
  }
}

function ownTitle(ownChecks: readonly string[]): string {
  return ownChecks.length === 1 ? ownChecks.join() : 'other checks'
}

function cellOf(link: Link | undefined, { colours }: Output): Cell {
  if (link === undefined) return { text: '-', paint: colours.dim }
  switch (link.state) {
    case 'ok':
      return { text: 'ok', paint: colours.green }
    case 'failing':
      return { text: link.to === undefined ? ownText(link) : failingText(link), paint: colours.red }
    case 'unknown':
      return { text: '?', paint: colours.yellow }
    case 'waiting':
    case 'not probed':
      return { text: link.state, paint: colours.dim }
  }
}

/** With a single check, the column title names it. */
function ownText(link: Link): string {
  const reasons = [...new Set(link.failing.map(({ reason }) => reason))]
  return link.checkCount === 1 ? reasons.join(' ') : failingText(link)
}

/** `udp udp-large: timeout`, `all (IPv6): timeout` */
function failingText({ failing, checkCount }: Link): string {
  const reasons = [...new Set(failing.map(({ reason }) => reason))]
  const families = [undefined, 'ipv4', 'ipv6'] as const
  return reasons
    .flatMap((reason) => families.map((family) => ({ reason, family })))
    .flatMap(({ reason, family }) => {
      const alike = failing.filter((one) => one.reason === reason && one.family === family)
      const checks = [...new Set(alike.map(({ check }) => check))]
      const names = checks.length > 1 && checks.length === checkCount ? 'all' : checks.join(' ')
      const over = family === undefined ? '' : ` (${familyNames[family]})`
      return checks.length === 0 ? [] : [`${names}${over}: ${reason}`]
    })
    .join('; ')
}

import { createHash } from 'node:crypto'
import { formatDurationNs, type NodeConditions, pathNs, type Row, type SeriesReport } from '@scout/core'
import { html, raw } from 'hono/html'
import type { MeshView } from '../diagnosis/diagnosis.ts'
import { ageText, incidentsSection } from './page-incidents.ts'

/** Returns a row as a page without scripts that reloads every five seconds: incidents first, then failing checks, then the checks of each node. */
export function pageOf(
  row: Row,
  mesh: Pick<MeshView, 'incidents' | 'speaker' | 'isSpeaking' | 'rows' | 'ready' | 'missing'>,
) {
  const { self, peers, series, knowledge } = row
  const failing = series.filter(({ state }) => state === 'failing')
  const checks = [...new Set(series.map(({ check }) => check))]
  const { title, sentence } = verdictOf(row, failing.length)
  return html`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="5">
<title>${title} · scout on ${self.node}</title>
<style>${raw(style)}</style>
<header><h1>scout <span>on ${self.node}</span></h1>
<p>${sentence}
${peers.length} ${peers.length === 1 ? 'peer' : 'peers'} from ${knowledge.source}${knowledge.trouble === undefined ? '' : ` (${knowledge.trouble})`}.</p></header>
${incidentsSection(mesh, row.takenAtMs)}
${failing.length === 0 ? '' : html`<h2>Failing</h2><ul>${failing.map((one) => failureItem(row, one))}</ul>`}
<h2>Paths</h2>
<div class="scroll"><table><thead><tr><th>to</th>${checks.map((check) => html`<th>${check}</th>`)}</tr></thead>
<tbody>${destinationsOf(row).map(
    (to) => html`<tr><th scope="row">${destinationTitle(row, to)}</th>${destinationCells(checks, to)}</tr>`,
  )}</tbody></table></div>
<footer>${new Date(row.takenAtMs).toISOString()} · <a href="/metrics">metrics</a> · <a href="/api/v1/incidents">incidents</a> · <a href="/api/v1/mesh">mesh</a> · <a href="/api/v1/snapshot">snapshot</a> · version ${self.version}</footer>
</html>`
}

/** Returns the verdict over all paths: well only if none fails and the list of peers is up to date. */
function verdictOf({ series, knowledge }: Row, failing: number) {
  if (failing > 0) return { title: `${failing} failing`, sentence: `${failing} of ${series.length} paths fail.` }
  if (!series.some(({ state }) => state === 'ok'))
    return { title: 'no results yet', sentence: 'No path has a result yet.' }
  if (knowledge.trouble !== undefined)
    return {
      title: 'may be incomplete',
      sentence: 'Every probed path works, but the list of peers may be wrong.',
    }
  return { title: 'all well', sentence: 'Every probed path works.' }
}

type Peer = Row['peers'][number]

/** A node with its peers and series by check; without a node, the checks that target no peer. */
interface Destination {
  readonly node: string | undefined
  readonly peers: readonly Peer[]
  readonly byCheck: ReadonlyMap<string, readonly SeriesReport[]>
}

function destinationsOf({ peers, series }: Row): readonly Destination[] {
  const byNode = grouped(series, ({ to }) => to)
  const peersByNode = grouped(peers, ({ node }) => node)
  const others = [...byNode.keys()].filter((node) => node !== undefined && !peersByNode.has(node))
  const nodes = [...peersByNode.keys(), ...others, ...(byNode.has(undefined) ? [undefined] : [])]
  return nodes.map((node) => ({
    node,
    peers: node === undefined ? [] : (peersByNode.get(node) ?? []),
    byCheck: grouped(byNode.get(node) ?? [], ({ check }) => check),
  }))
}

function destinationCells(checks: readonly string[], { peers, byCheck }: Destination) {
  if (byCheck.size > 0) return checks.map((check) => cell(byCheck.get(check)))
  const obstacles = [...new Set(peers.flatMap(({ obstacle }) => obstacle ?? []))]
  return html`<td class="waiting" colspan="${Math.max(1, checks.length)}">not probed: ${obstacles.join('; ')}</td>`
}

function destinationTitle(row: Row, { node, peers }: Destination) {
  if (node === undefined) return 'cluster'
  const conditions = row.knowledge.nodes?.find(({ name }) => name === node)
  const remarks = conditions === undefined ? '' : remarksOn(conditions).map((remark) => html` · ${remark}`)
  if (peers.length === 0) return html`${node}<small>no peer${remarks}</small>`
  return peers.map(
    (peer) =>
      html`${peer.name}<small>${node}${peer.zone === undefined ? '' : ` · ${peer.zone}`} · ${stateText(row, peer)}${remarks}</small>`,
  )
}

/** Returns `ready` or `starting for 2m`. */
function stateText({ takenAtMs }: Row, { state, stateSinceMs }: Peer): string {
  if (state === 'ready') return state
  return `${state} for ${ageText(takenAtMs - stateSinceMs)}`
}

/** Returns the problems of a node reported by Kubernetes: `cordoned`, `not ready (KubeletNotReady)`, `MemoryPressure`. */
function remarksOn({ isCordoned, problems }: NodeConditions): readonly string[] {
  return [
    ...(isCordoned ? ['cordoned'] : []),
    ...problems.map(({ type, reason }) => {
      const what = type === 'Ready' ? 'not ready' : type
      return reason === '' ? what : `${what} (${reason})`
    }),
  ]
}

function cell(series: readonly SeriesReport[] = []) {
  return html`<td>${series.map(({ state, last, target, family, recent }) => {
    const label = last === undefined ? 'waiting' : last.ok ? formatDurationNs(pathNs(last)) : last.failure.reason
    return html`<span class="${state}" title="${[target, ...recentText(recent)].join(': ')}">${family === 'ipv6' ? 'v6 ' : ''}${label}</span>`
  })}</td>`
}

/** Returns `3 of the last 60 attempts failed`. */
function recentText({ passed, failed, other }: SeriesReport['recent']): readonly string[] {
  const attempts = passed + failed + other
  if (attempts === 0) return []
  const inconclusive = other === 0 ? '' : `, ${other} were inconclusive`
  return [`${failed} of the last ${attempts} attempts failed${inconclusive}`]
}

function failureItem({ takenAtMs, peers }: Row, { check, target, to, family, sinceMs, last }: SeriesReport) {
  const since =
    sinceMs === undefined ? '' : ` since ${new Date(sinceMs).toISOString()} (${ageText(takenAtMs - sinceMs)})`
  const what = last?.ok === false ? last.failure.message : ''
  const names = peers.filter(({ node }) => node === to).map(({ name }) => name)
  const where = to === undefined ? target : [names.join(', '), to].filter((part) => part !== '').join(' on ')
  const query = new URLSearchParams({ check, ...(to === undefined ? {} : { to }) })
  return html`<li><b>${check}</b> to ${where}${family === 'ipv6' ? ' over IPv6' : ''}${since}: ${what}
<small><a href="/api/v1/history?${query.toString()}">history</a></small></li>`
}

function grouped<Key, T>(items: readonly T[], keyOf: (item: T) => Key): ReadonlyMap<Key, readonly T[]> {
  const groups = new Map<Key, T[]>()
  for (const item of items) {
    const group = groups.get(keyOf(item))
    if (group === undefined) groups.set(keyOf(item), [item])
    else group.push(item)
  }
  return groups
}

const style = `
:root{color-scheme:light dark;--ok:#1a7f37;--bad:#cf222e;--dim:#6e7781}
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem}
h1{font-size:1.4rem;margin:0}h1 span,small,footer,.waiting,.unable{color:var(--dim);font-weight:400}
h2{font-size:1.05rem;margin:1.6rem 0 .4rem}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.35rem .9rem .35rem 0;text-align:left;vertical-align:top;border-top:1px solid color-mix(in srgb,currentColor 15%,transparent)}
small,td span{display:block;white-space:nowrap}
.ok{color:var(--ok)}.failing{color:var(--bad);font-weight:600}
footer{margin-top:2rem;font-size:.85rem}`

/** Content-Security-Policy of the page: its own styles. */
export const pagePolicy = `style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`

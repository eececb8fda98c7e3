import { formatDurationNs } from '@scout/core'
import { html, raw } from 'hono/html'
import type { SeriesView, Snapshot } from '../memory/snapshot.ts'
import type { KnownPeer } from '../peers/roster.ts'
import type { Self } from '../peers/self.ts'
import { familyOf } from '../plan/check.ts'

/** A snapshot as a page without scripts: each peer's checks, what fails first, refreshed every five seconds. */
export function pageOf(snapshot: Snapshot) {
  const { self, peers, series, knowledge } = snapshot
  const failing = series.filter(({ state }) => state === 'failing')
  const checks = [...new Set(series.map(({ check }) => check))]
  const { title, sentence } = verdictOf(snapshot, failing.length)
  return html`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="5">
<title>${title} · scout on ${self.node}</title>
<style>${raw(style)}</style>
<header><h1>scout <span>on ${self.node}</span></h1>
<p>${sentence}
${peers.length} peers from ${knowledge.source}${knowledge.trouble === undefined ? '' : ` (${knowledge.trouble})`}.</p></header>
${failing.length === 0 ? '' : html`<h2>Failing</h2><ul>${failing.map(failureItem)}</ul>`}
<h2>Paths</h2>
<div class="scroll"><table><thead><tr><th>to</th>${checks.map((check) => html`<th>${check}</th>`)}</tr></thead>
<tbody>${rowsOf(snapshot).map(
    (row) => html`<tr><th scope="row">${rowTitle(row[0])}</th>${rowCells(checks, self, row)}</tr>`,
  )}</tbody></table></div>
<footer>${new Date(snapshot.takenAtMs).toISOString()} · <a href="/metrics">metrics</a> · <a href="/api/v1/snapshot">snapshot</a> · version ${self.version}</footer>
</html>`
}

/** What can be said of all paths: nothing is well that is not known. */
function verdictOf({ series, knowledge }: Snapshot, failing: number) {
  if (failing > 0) return { title: `${failing} failing`, sentence: `${failing} of ${series.length} paths fail.` }
  if (!series.some(({ state }) => state === 'ok'))
    return { title: 'nothing known', sentence: 'Nothing is known of any path.' }
  if (knowledge.trouble !== undefined)
    return { title: 'not all known', sentence: 'Every path that was probed works; there may be others.' }
  return { title: 'all well', sentence: 'Every path that was probed works.' }
}

/** A peer, or undefined for what is not about peers, and its series by check. */
type Row = readonly [peer: KnownPeer | undefined, byCheck: ReadonlyMap<string, readonly SeriesView[]>]

function rowsOf({ peers, series }: Snapshot): readonly Row[] {
  const bySubject = new Map<string, Map<string, SeriesView[]>>()
  for (const one of series) {
    const subject = subjectOf(one.peer)
    const byCheck = bySubject.get(subject) ?? new Map<string, SeriesView[]>()
    byCheck.set(one.check, [...(byCheck.get(one.check) ?? []), one])
    bySubject.set(subject, byCheck)
  }
  const rowOf = (peer?: KnownPeer): Row => [peer, bySubject.get(subjectOf(peer)) ?? new Map()]
  return [...peers.map(rowOf), ...(bySubject.has(subjectOf(undefined)) ? [rowOf()] : [])]
}

/** Names need not be unique among namespaces, nor where peers name themselves. */
function subjectOf(peer: SeriesView['peer']): string {
  return peer === undefined ? '' : JSON.stringify([peer.namespace, peer.name, peer.node])
}

function rowCells(checks: readonly string[], self: Self, [peer, byCheck]: Row) {
  if (peer === undefined || byCheck.size > 0) return checks.map((check) => cell(byCheck.get(check)))
  return html`<td class="waiting" colspan="${Math.max(1, checks.length)}">${whyNotProbed(self, peer)}</td>`
}

function whyNotProbed({ addresses }: Self, peer: KnownPeer): string {
  const families = new Set(addresses.map(familyOf))
  return peer.proxy !== undefined || peer.addresses.some((address) => families.has(familyOf(address)))
    ? 'not probed: no check is about it'
    : 'not probed: it has no address of a family that this agent has an address of'
}

function rowTitle(peer: KnownPeer | undefined) {
  if (peer === undefined) return 'cluster'
  return html`${peer.name}<small>${peer.node}${peer.zone === undefined ? '' : ` · ${peer.zone}`} · ${peer.state}</small>`
}

function cell(series: readonly SeriesView[] = []) {
  return html`<td>${series.map(({ state, last, target, family }) => {
    const label = last === undefined ? 'waiting' : last.ok ? formatDurationNs(last.totalNs) : last.failure.reason
    return html`<span class="${state}" title="${target}">${family === 'ipv6' ? 'v6 ' : ''}${label}</span>`
  })}</td>`
}

function failureItem({ check, target, peer, sinceMs, last }: SeriesView) {
  const since = sinceMs === undefined ? '' : ` since ${new Date(sinceMs).toISOString()}`
  const what = last?.ok === false ? last.failure.message : ''
  return html`<li><b>${check}</b> to ${peer === undefined ? target : `${peer.name} on ${peer.node}`}${since}: ${what}</li>`
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

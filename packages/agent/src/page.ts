import { formatDurationNs } from '@scout/core'
import { html, raw } from 'hono/html'
import type { SeriesView, Snapshot } from './snapshot.ts'

/** A snapshot as a page without scripts: each peer's checks, what fails first, refreshed every five seconds. */
export function pageOf(snapshot: Snapshot) {
  const { self, peers, series } = snapshot
  const failing = series.filter(({ state }) => state === 'failing')
  const checks = [...new Set(series.map(({ check }) => check))]
  const subjects = [...new Set(series.map((one) => one.peer?.name ?? ''))]
  return html`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="5">
<title>${failing.length === 0 ? 'all well' : `${failing.length} failing`} · scout on ${self.node}</title>
<style>${raw(style)}</style>
<header><h1>scout <span>on ${self.node}</span></h1>
<p>${failing.length === 0 ? 'Every path that was probed works.' : `${failing.length} of ${series.length} paths fail.`}
${peers.length} peers from ${snapshot.knowledge.source}${snapshot.knowledge.trouble === undefined ? '' : ` (${snapshot.knowledge.trouble})`}.</p></header>
${failing.length === 0 ? '' : html`<h2>Failing</h2><ul>${failing.map(failureItem)}</ul>`}
<h2>Paths</h2>
<div class="scroll"><table><thead><tr><th>to</th>${checks.map((check) => html`<th>${check}</th>`)}</tr></thead>
<tbody>${subjects.map(
    (subject) =>
      html`<tr><th scope="row">${rowTitle(snapshot, subject)}</th>${checks.map((check) =>
        cell(series.filter((one) => one.check === check && (one.peer?.name ?? '') === subject)),
      )}</tr>`,
  )}</tbody></table></div>
<footer>${new Date(snapshot.takenAtMs).toISOString()} · <a href="/metrics">metrics</a> · <a href="/api/v1/snapshot">snapshot</a> · version ${self.version}</footer>
</html>`
}

function rowTitle({ peers }: Snapshot, subject: string) {
  const peer = peers.find(({ name }) => name === subject)
  if (peer === undefined) return 'cluster'
  return html`${peer.name}<small>${peer.node}${peer.zone === undefined ? '' : ` · ${peer.zone}`} · ${peer.state}</small>`
}

function cell(series: readonly SeriesView[]) {
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

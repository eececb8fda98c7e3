import { formatDurationNs } from '@scout/core'
import { html } from 'hono/html'
import type { ShownIncident } from '../diagnosis/answer.ts'
import type { MeshView } from '../diagnosis/diagnosis.ts'

/** How many closed incidents the page lists. */
const mostClosed = 5

type Shown = Pick<MeshView, 'incidents' | 'speaker' | 'isSpeaking' | 'rows' | 'ready' | 'missing'>

/** Returns the part of the page about incidents: those that last with their evidence and the next command, then some that are over. */
export function incidentsSection(mesh: Shown, nowMs: number) {
  const lasting = mesh.incidents.filter(({ state }) => state !== 'closed')
  const closed = mesh.incidents.filter(({ state }) => state === 'closed').slice(0, mostClosed)
  if (lasting.length + closed.length === 0) return ''
  return html`<h2>Incidents</h2>${sight(mesh)}
<ul>${lasting.map((incident) => item(incident, nowMs))}${closed.map((incident) => closedItem(incident))}</ul>`
}

/** Says whose view it is, and what that agent cannot see. */
function sight({ isSpeaking, speaker, rows, ready, missing }: Shown) {
  if (!isSpeaking) return speaker === undefined ? '' : html`<p><small>as ${speaker} reports them</small></p>`
  if (rows >= ready) return ''
  const nodes = missing.map(({ node }) => node).join(', ')
  return html`<p>This agent sees ${rows} of ${ready} rows: none from ${nodes}.</p>`
}

function item({ id, cause, state, summary, openedAtMs, evidence, rivals, next }: ShownIncident, nowMs: number) {
  const names = [cause, ...rivals.map((rival) => rival.cause)].join(' or ')
  const since = `${new Date(openedAtMs).toISOString()} (${ageText(nowMs - openedAtMs)})`
  return html`<li><b class="failing">${names}</b> ${summary} since ${since}${state === 'transient' ? ', too short to count yet' : ''}
<small>${evidence.join('; ')}</small><small>next: <code>${next}</code> · incident ${id}</small></li>`
}

function closedItem({ cause, summary, openedAtMs, closedAtMs = openedAtMs }: ShownIncident) {
  return html`<li><small>closed ${new Date(closedAtMs).toISOString()} after ${ageText(closedAtMs - openedAtMs)}: ${cause}: ${summary}</small></li>`
}

/** Returns `2m` or `10s`. */
export function ageText(ms: number): string {
  return formatDurationNs(Math.max(0, Math.round(ms / 1000)) * 1e9).replace(/(?<=m)0s$/, '')
}

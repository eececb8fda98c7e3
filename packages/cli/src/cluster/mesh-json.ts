import { incidentObject } from '@scout/core'
import type { Look } from './seen.ts'

/** Returns one object per line: the store if there is one, each incident, then each agent, then each link, then the checks that are not about a link, then the checks that agents cannot run. */
export function meshJson({ reports, mesh: { links, own, inabilities }, incidents, source }: Look): string {
  const agents = reports.map(({ agent: { node, zone, name, namespace, addresses, state }, answer }) => ({
    kind: 'agent',
    node,
    zone,
    name,
    namespace,
    addresses,
    state,
    ok: answer.ok,
    ...(answer.ok ? { trouble: answer.trouble } : { message: answer.message }),
  }))
  const pairs = [...links, ...own].map(({ from, to, state, failing }) => ({
    ...(to === undefined ? { kind: 'other', from } : { kind: 'link', from, to }),
    state,
    failing,
  }))
  const unable = inabilities.map((inability) => ({ kind: 'inability', ...inability }))
  const found = incidents.map(incidentObject)
  const from = source === undefined ? [] : [{ kind: 'source', ...source }]
  return [...from, ...found, ...agents, ...pairs, ...unable].map((line) => `${JSON.stringify(line)}\n`).join('')
}

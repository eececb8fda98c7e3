import type { Mesh } from '@scout/core'
import type { AgentReport } from './mesh.ts'

/** Returns one object per line: each agent, then each link, then the checks that are not about a link, then the checks that agents cannot run. */
export function meshJson(reports: readonly AgentReport[], { links, own, inabilities }: Mesh): string {
  const agents = reports.map(({ agent: { node, zone, name, namespace, addresses, state }, answer }) => ({
    kind: 'agent',
    node,
    zone,
    name,
    namespace,
    addresses,
    state,
    ok: answer.ok,
    ...(answer.ok ? { trouble: answer.row.knowledge.trouble } : { message: answer.message }),
  }))
  const pairs = [...links, ...own].map(({ from, to, state, failing }) => ({
    ...(to === undefined ? { kind: 'other', from } : { kind: 'link', from, to }),
    state,
    failing,
  }))
  const unable = inabilities.map((inability) => ({ kind: 'inability', ...inability }))
  return [...agents, ...pairs, ...unable].map((line) => `${JSON.stringify(line)}\n`).join('')
}

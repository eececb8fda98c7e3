import type { AgentReport, Mesh } from './links.ts'

/** One object a line: each agent, then each link and the checks that are about none, then what agents are not able to try. */
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
    ...(answer.ok ? { trouble: answer.snapshot.knowledge.trouble } : { message: answer.message }),
  }))
  const pairs = [...links, ...own].map(({ from, to, state, failing }) => ({
    ...(to === undefined ? { kind: 'other', from } : { kind: 'link', from, to }),
    state,
    failing,
  }))
  const unable = inabilities.map((inability) => ({ kind: 'inability', ...inability }))
  return [...agents, ...pairs, ...unable].map((line) => `${JSON.stringify(line)}\n`).join('')
}

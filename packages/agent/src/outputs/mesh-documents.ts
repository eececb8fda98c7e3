import { type Evidence, type Fact, factLinkIdOf, groupBy, harmless, incidentObject, type Row } from '@scout/core'
import type { MeshView } from '../diagnosis/diagnosis.ts'

/** Returns the document at /api/v1/incidents: incidents, whose view they are, and what that agent cannot see. */
export function incidentsDocument(mesh: MeshView) {
  return { ...sightOf(mesh), incidents: mesh.incidents.map(incidentObject) }
}

/** Returns the document at /api/v1/mesh: the same, with the agents and the links between nodes, as `scout-probe mesh --json` lists them. */
export function meshDocument(mesh: MeshView, { self, peers }: Row) {
  const { evidence } = mesh
  const hasRow = new Set(evidence.nodes.flatMap((node) => (node.hasRow ? [node.name] : [])))
  const own = { ...self, state: 'ready', ok: true }
  const agents = [own, ...peers.map((peer) => ({ ...peer, ok: hasRow.has(peer.node) }))].map(
    ({ node, zone, name, namespace, addresses, state, ok }) => ({
      kind: 'agent',
      node,
      zone,
      name,
      namespace,
      addresses,
      state,
      ok,
    }),
  )
  return { ...incidentsDocument(mesh), agents, links: linkObjects(evidence) }
}

/** Returns whose view of the mesh it is, and how much of it that agent sees. */
export function sightOf({ speaker, isSpeaking, rows, ready, missing }: MeshView) {
  return { speaker, isSpeaking, sees: { rows, ready, missing } }
}

/** Returns each link about which there is evidence, and the checks that fail on it. */
function linkObjects({ facts }: Evidence) {
  return groupBy(facts, factLinkIdOf).flatMap((ofLink) => {
    const [first] = ofLink
    if (first === undefined || (first.to.kind === 'node' && first.to.name === first.from)) return []
    const failing = ofLink.filter(({ symptom }) => !harmless.has(symptom)).map(failingCheck)
    const place =
      first.to.kind === 'node'
        ? { kind: 'link', from: first.from, to: first.to.name }
        : { kind: 'other', from: first.from }
    return [{ ...place, state: failing.length === 0 ? 'ok' : 'failing', failing }]
  })
}

function failingCheck({ check, family, target, symptom, reason, phase, message, sinceMs }: Fact) {
  return { check, family, target, reason: reason ?? symptom, phase, message, sinceMs }
}

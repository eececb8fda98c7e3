import type { ShownIncident } from '../../src/diagnosis/answer.ts'
import type { MeshView } from '../../src/diagnosis/diagnosis.ts'

const openedAtMs = Date.UTC(2023, 9, 30, 22, 8, 0)

/** Returns the view of a mesh without incidents. */
export function meshViewOf(parts: Partial<MeshView> = {}): MeshView {
  return {
    speaker: undefined,
    isSpeaking: false,
    watchers: [],
    rows: 1,
    ready: 1,
    missing: [],
    incidents: [],
    evidence: { atMs: openedAtMs, nodes: [], facts: [] },
    ...parts,
  }
}

export function incidentOf(parts: Partial<ShownIncident> = {}): ShownIncident {
  return {
    id: '0123456789ab',
    cause: 'protocol-filtered',
    scope: { kind: 'link', from: 'node-1', to: 'node-2' },
    direction: 'forward',
    state: 'open',
    severity: 'critical',
    confidence: 0.98,
    openedAtMs,
    summary: 'udp from node-1 to node-2 is dropped',
    evidence: ['udp gets no answer on node-1 -> node-2 (12 attempts)'],
    ruledOut: [],
    rivals: [],
    next: 'scout-probe --from node-1 udp 10.0.0.2:8081',
    ...parts,
  }
}

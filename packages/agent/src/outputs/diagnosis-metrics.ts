import { causes, type Row, unexplained } from '@scout/core'
import { type Metric, type WriteValue, writeByOutcome } from './exposition.ts'
import { labelsText } from './labels.ts'

const incidentLabels = ['cause', 'scope', 'severity'] as const

/** Metrics of the diagnosis that agents make together. */
export const diagnosisMetrics = [
  {
    name: 'scout_incident_open',
    help: 'Incidents that are not closed, at the agent that speaks for the mesh; 0 for every cause at the others. In a partition, one agent on each side speaks.',
    type: 'gauge',
    labels: incidentLabels,
    read: ({ diagnosis }, write) => writeIncidents(diagnosis, write),
  },
  {
    name: 'scout_incident_speaker',
    help: '1 if this agent speaks for the mesh, or for its part of it, otherwise 0.',
    type: 'gauge',
    labels: [],
    read: ({ diagnosis }, write) => write(diagnosis.isSpeaking ? 1 : 0),
  },
  {
    name: 'scout_evidence_rows',
    help: 'Ready agents whose rows are at hand here (held), its own included, and all ready agents (ready). Only watchers hold those of others.',
    type: 'gauge',
    labels: ['state'],
    read({ diagnosis: { rows, ready } }, write) {
      write(rows, labelsText(['state'], { state: 'held' }))
      write(ready, labelsText(['state'], { state: 'ready' }))
    },
  },
  {
    name: 'scout_evidence_sent_total',
    help: 'Messages with evidence to watchers, by outcome. direct; relayed: passed on by another peer; failed: not accepted on any way.',
    type: 'counter',
    labels: ['outcome'],
    read: ({ diagnosis }, write) => writeByOutcome(diagnosis.sent, write),
  },
  {
    name: 'scout_evidence_received_total',
    help: 'Messages with evidence from peers, by outcome. accepted; forwarded: passed on to a watcher that the sender cannot reach; unknown: from an address that is no peer; unsigned: without the signature of the shared key; malformed; stale: overtaken by a later one; refused: beyond a limit. Those that are too large count as rejected requests to the responder.',
    type: 'counter',
    labels: ['outcome'],
    read: ({ diagnosis }, write) => writeByOutcome(diagnosis.received, write),
  },
] as const satisfies readonly Metric[]

/** Writes every cause that has a name, so that an alert sees each of them begin. */
function writeIncidents({ incidents }: Row['diagnosis'], write: WriteValue): void {
  const counts = new Map<string, number>()
  for (const incident of incidents) {
    const labels = labelsText(incidentLabels, incident)
    counts.set(labels, (counts.get(labels) ?? 0) + 1)
  }
  const all = new Map([...causes, unexplained].map(({ name, severity }) => [name, severity]))
  for (const [cause, severity] of all) write(0, labelsText(incidentLabels, { cause, scope: '', severity }))
  for (const [labels, count] of counts) write(count, labels)
}

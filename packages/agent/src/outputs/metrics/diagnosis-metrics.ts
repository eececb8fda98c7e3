import { type Metric, writeByOutcome } from './reading.ts'

const severities = ['critical', 'warning', 'informational'] as const

/** Incidents with labels of their own at most. A mesh with more has one trouble that is not understood, and its dashboards must survive it. */
const mostIncidents = 16
/** Characters of a summary at most. */
const mostSummary = 300

/** Metrics of the diagnosis that agents make together. */
export const diagnosisMetrics = [
  {
    name: 'scout_incident_open',
    help: 'Incidents that are not closed, at the agent that speaks for the mesh; 0 at the others. In a partition, one agent on each side speaks.',
    type: 'gauge',
    labels: ['severity'],
    read({ diagnosis: { incidents } }, write) {
      for (const severity of severities) {
        const count = incidents.filter((incident) => incident.severity === severity).length
        write(count, { severity })
      }
    },
  },
  {
    name: 'scout_incident_info',
    help: `Always 1, for each incident that is not closed, at the agent that speaks for the mesh: at most ${mostIncidents}, the gravest first.`,
    type: 'gauge',
    labels: ['id', 'cause', 'scope', 'severity', 'summary'],
    read({ diagnosis: { incidents } }, write) {
      for (const { id, cause, scope, severity, summary } of incidents.slice(0, mostIncidents)) {
        write(1, { id, cause, scope, severity, summary: shortened(summary) })
      }
    },
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
      write(rows, { state: 'held' })
      write(ready, { state: 'ready' })
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

/** Cuts a text between characters. */
function shortened(text: string): string {
  const characters = [...text]
  return characters.length <= mostSummary ? text : `${characters.slice(0, mostSummary - 1).join('')}…`
}

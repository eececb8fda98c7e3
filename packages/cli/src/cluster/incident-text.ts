import { clockText, printable, sinceText } from '@scout/core'
import { weightsTable } from '../render/weights.ts'
import { fold } from '../render/words.ts'
import type { Output } from '../shell/io.ts'
import type { SeenIncident } from './seen.ts'

const indent = '    '

/** Renders incidents, the gravest first: what is wrong, on what evidence, what was ruled out, and what to do next. */
export function incidentsText(
  incidents: readonly SeenIncident[],
  { nowMs, isExplained }: IncidentView,
  out: Output,
): string {
  return incidents
    .map((incident) => {
      const head = fold(headOf(incident, out), out.columns ?? Number.POSITIVE_INFINITY, indent)
      const details = detailsOf(incident, nowMs).flatMap((line) => folded(line, out))
      const text = [...head, ...details].map((line) => `${line}\n`).join('')
      return isExplained ? text + weightsTable(incident.weights, out) : text
    })
    .join('\n')
}

export interface IncidentView {
  readonly nowMs: number
  /** Whether each aspect is listed with its weight. */
  readonly isExplained: boolean
}

/** `critical: UDP is dropped: node2 -> node1` */
export function headOf({ severity, state, summary, isComputed }: SeenIncident, { colours }: Output): string {
  const colour = severity === 'critical' ? colours.red : colours.yellow
  const origin = isComputed === true ? ', computed from metrics' : ''
  return `${colour(state === 'transient' ? 'transient' : severity)}${origin}: ${printable(summary)}`
}

/** `closed, 11:57:50 to 12:00:00: UDP is dropped: node2 -> node1` */
export function closedText({ openedAtMs, closedAtMs = openedAtMs, summary }: SeenIncident, nowMs: number): string {
  return `closed, ${clockText(openedAtMs, nowMs)} to ${clockText(closedAtMs, nowMs)}: ${summary}`
}

/** `protocol-filtered, sure (99 %)` */
export function nameText({ cause, confidence }: SeenIncident): string {
  if (confidence === undefined) return cause
  return `${cause}, ${sureness(confidence)} (${Math.floor(confidence * 100)} %)`
}

function folded(line: string, { columns = Number.POSITIVE_INFINITY }: Output): readonly string[] {
  return fold(printable(line), columns - indent.length, indent).map((part) => `${indent}${part}`)
}

function detailsOf(incident: SeenIncident, nowMs: number): readonly string[] {
  const { openedAtMs, evidence, ruledOut, rivals, next, id, confidence, isComputed } = incident
  const since = confidence === undefined && isComputed !== true ? 'in the metrics since' : 'since'
  return [
    `${nameText(incident)}, ${since} ${sinceText(openedAtMs, nowMs)}, incident ${id}`,
    ...evidence,
    ...rivals.map((rival) => `or ${rival.cause} (${Math.round(rival.confidence * 100)} %): look ${rival.separatedBy}`),
    ...(ruledOut.length === 0 ? [] : [`not ${ruledOut.map((one) => `${one.cause}: ${one.because}`).join('; not ')}`]),
    `next: ${next}`,
  ]
}

function sureness(confidence: number): string {
  return confidence >= 0.95 ? 'sure' : confidence >= 0.7 ? 'likely' : 'possible'
}

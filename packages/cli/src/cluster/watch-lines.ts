import { ageText, changeOf, type IncidentChange, incidentObject, printable } from '@scout/core'
import type { Io } from '../shell/io.ts'
import { headOf, nameText } from './incident-text.ts'
import type { Look, SeenIncident } from './seen.ts'
import type { Face, WatchFormat } from './watch.ts'

/** Maximum number of changes printed of one look, the gravest; as JSON, all are. */
const shownChanges = 100

/** Prints a line for each incident that opens, changes or closes; remarks go to standard error, each once. */
export function linesFace({ isJson }: Pick<WatchFormat, 'isJson'>, { name, out, err }: Io): Face {
  let known: ReadonlyMap<string, SeenIncident> = new Map()
  let remarks: ReadonlySet<string> = new Set()
  let failure: string | undefined
  const remark = (text: string) => err.write(`${name}: ${printable(text)}\n`)
  return {
    show({ incidents, oddities, nowMs, source }: Look) {
      const present = [...oddities, ...(source?.remarks ?? [])]
      if (failure !== undefined)
        remark(source === undefined ? 'the agents can be read again' : `${source.server} answers again`)
      failure = undefined
      for (const text of present) if (!remarks.has(text)) remark(text)
      remarks = new Set(present)
      let changes = 0
      for (const incident of incidents) {
        const change = shownChangeOf(known.get(incident.id), incident)
        if (change === undefined) continue
        changes++
        if (isJson) out.write(`${JSON.stringify(incidentObject(incident))}\n`)
        else if (changes <= shownChanges) out.write(`${lineOf(incident, { change, nowMs, out })}\n`)
      }
      const hidden = changes - shownChanges
      if (!isJson && hidden > 0) remark(`${hidden} more changes of incidents: --json lists all`)
      known = new Map(incidents.map((incident) => [incident.id, incident]))
    },
    fail(message) {
      if (failure !== message) remark(message)
      failure = message
    },
    end() {},
  }
}

/** Readers of lines also need to know when an incident is more than transient. */
function shownChangeOf(before: SeenIncident | undefined, now: SeenIncident): IncidentChange | undefined {
  return changeOf(before, now) ?? (before !== undefined && before.state !== now.state ? 'changed' : undefined)
}

interface Change extends Pick<Io, 'out'> {
  readonly change: IncidentChange
  readonly nowMs: number
}

/** `2026-01-02T12:00:00.000Z opened: critical: UDP is dropped: node2 -> node1 (protocol-filtered, sure (99 %), incident e20b807f178c)` */
function lineOf(incident: SeenIncident, { change, nowMs, out }: Change): string {
  const { openedAtMs, closedAtMs, id } = incident
  const lasted = closedAtMs === undefined ? '' : ` after ${ageText(closedAtMs - openedAtMs)}`
  const about = printable(`${nameText(incident)}, incident ${id}`)
  return `${new Date(nowMs).toISOString()} ${change}${lasted}: ${headOf(incident, out)} (${about})`
}

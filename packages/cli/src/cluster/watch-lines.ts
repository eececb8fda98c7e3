import { ageText, changeOf, type Incident, type IncidentChange, incidentObject, printable } from '@scout/core'
import type { Io } from '../shell/io.ts'
import { headOf, nameText } from './incident-text.ts'
import type { Look } from './look.ts'
import type { Face, WatchFormat } from './watch.ts'

/** Prints a line for each incident that opens, changes or closes; remarks go to standard error, each once. */
export function linesFace({ isJson }: Pick<WatchFormat, 'isJson'>, { name, out, err }: Io): Face {
  let known: ReadonlyMap<string, Incident> = new Map()
  let remarks: ReadonlySet<string> = new Set()
  let failure: string | undefined
  const remark = (text: string) => err.write(`${name}: ${printable(text)}\n`)
  return {
    show({ incidents, oddities, nowMs }: Look) {
      if (failure !== undefined) remark('the agents can be read again')
      failure = undefined
      for (const oddity of oddities) if (!remarks.has(oddity)) remark(oddity)
      remarks = new Set(oddities)
      for (const incident of incidents) {
        const change = shownChangeOf(known.get(incident.id), incident)
        if (change === undefined) continue
        const line = isJson ? JSON.stringify(incidentObject(incident)) : lineOf(incident, { change, nowMs, out })
        out.write(`${line}\n`)
      }
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
function shownChangeOf(before: Incident | undefined, now: Incident): IncidentChange | undefined {
  return changeOf(before, now) ?? (before !== undefined && before.state !== now.state ? 'changed' : undefined)
}

interface Change extends Pick<Io, 'out'> {
  readonly change: IncidentChange
  readonly nowMs: number
}

/** `2026-01-02T12:00:00.000Z opened: critical: UDP is dropped: node2 -> node1 (protocol-filtered, sure (99 %), incident e20b807f178c)` */
function lineOf(incident: Incident, { change, nowMs, out }: Change): string {
  const { openedAtMs, closedAtMs, id } = incident
  const lasted = closedAtMs === undefined ? '' : ` after ${ageText(closedAtMs - openedAtMs)}`
  const about = printable(`${nameText(incident)}, incident ${id}`)
  return `${new Date(nowMs).toISOString()} ${change}${lasted}: ${headOf(incident, out)} (${about})`
}

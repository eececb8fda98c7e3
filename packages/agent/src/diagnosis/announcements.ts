import { changeOf, type IncidentChange } from '@scout/core'
import type { ShownIncident } from './answer.ts'

/** What has been reported about each incident, by this agent or by the one that spoke before. */
export interface Announcements {
  /** Takes what another watcher has reported. */
  follow(incidents: readonly ShownIncident[]): void
  /** Reports what has changed since; `inherited` are the incidents of others, for an agent that has not followed any. */
  report(shown: readonly ShownIncident[], inherited: readonly ShownIncident[]): void
}

export function createAnnouncements(
  onChange: (change: IncidentChange, incident: ShownIncident) => void,
): Announcements {
  let known: ReadonlyMap<string, ShownIncident> | undefined
  return {
    follow(incidents) {
      known = byId(incidents)
    },
    report(shown, inherited) {
      // What has just begun may not have been reported yet.
      const before = known ?? byId(inherited.filter(({ state }) => state !== 'transient'))
      known = byId(shown)
      for (const incident of shown) {
        const change = changeOf(before.get(incident.id), incident)
        if (change !== undefined) onChange(change, incident)
      }
    },
  }
}

function byId(incidents: readonly ShownIncident[]): ReadonlyMap<string, ShownIncident> {
  return new Map(incidents.map((incident) => [incident.id, incident]))
}

import { createIncidents, evidenceOf, explain } from '@scout/core'

/** @typedef {import('./agent.mjs').Agent} Agent */
/** @typedef {import('./trace.mjs').Happening} Happening */
/** @typedef {import('@scout/core').Incident} Incident */
/**
 * An incident when it was first found, with what had happened before.
 * @typedef {{ readonly incident: Incident, readonly atMs: number, readonly happenings: readonly string[] }} Found
 */

/** Happenings that may be why there is an incident. */
const recentMs = 1_800_000
/** A failure may be part of a burst for as long, see `explain`. */
const burstMs = 10_000

/**
 * Explains what the rows of all agents show, as a watcher that gets each of them at once.
 *
 * @param {object} options
 * @param {ReturnType<typeof import('./clock.mjs').createClock>} options.clock
 * @param {readonly (Agent | undefined)[]} options.agents by node; undefined if it does not run
 * @param {() => void} options.beforeRows called before rows are read
 */
export function createWatcher({ clock, agents, beforeRows }) {
  const incidents = createIncidents()
  /** @type {Map<string, Found>} */
  const found = new Map()
  /** @type {readonly Incident[]} */
  let open = []
  /** @type {Happening[]} */
  let recent = []
  const alarms = { loss: 0, latency: 0 }
  /** Links with an alarm. */
  let alarmed = { loss: new Set(), latency: new Set() }

  const running = () => agents.filter((agent) => agent !== undefined)

  const answers = () =>
    agents.flatMap((agent, node) => {
      const name = `node${node + 1}`
      if (agent !== undefined) return [{ node: name, received: { row: agent.row(), receivedAtMs: clock.wallMs } }]
      // Its row is missing while the others regard it as ready.
      const isReady = running().some(({ peers }) =>
        [...peers.values()].some((peer) => peer.node === name && peer.state === 'ready'),
      )
      return isReady ? [{ node: name }] : []
    })

  const explainRows = () => {
    beforeRows()
    const evidence = evidenceOf(answers(), clock.wallMs)
    incidents.update(evidence.facts.some(({ symptom }) => symptom !== 'passes') ? explain(evidence) : [], evidence)
    open = incidents.all().filter(({ state }) => state !== 'closed')
    for (const incident of open) {
      if (found.has(incident.id)) continue
      const happenings = recent
        .filter(({ toMs }) => toMs > clock.nowMs - recentMs)
        .map(({ fromMs, text }) => `${Math.round((clock.nowMs - fromMs) / 1_000)} s before: ${text}`)
      found.set(incident.id, { incident, atMs: clock.nowMs, happenings })
    }
  }

  return {
    /** Takes what happens, to show it beside an incident. */
    note(/** @type {Happening} */ happening) {
      recent = [...recent.filter(({ toMs }) => toMs > clock.nowMs - recentMs), happening]
    },
    /** Every incident that there was. */
    get found() {
      return [...found.values()]
    },
    /** The present incidents. */
    get open() {
      return open
    },
    /** How often a link had an alarm of this kind, and none before. */
    get alarms() {
      return alarms
    },
    /** Returns whether all is well. Explains the rows, unless no failure could be more than a burst, which is no finding. */
    watch() {
      const now = { loss: new Set(), latency: new Set() }
      let isFailing = false
      let isEstablished = false
      for (const { memory, name } of running()) {
        for (const { key, detector, isFailing: fails, sinceMs = 0, trials } of memory.series) {
          if (fails) isFailing = true
          if (fails && trials > 1 && sinceMs <= clock.wallMs - burstMs) isEstablished = true
          const { state } = detector
          const link = `${name} -> ${key.to ?? 'name server'}`
          if (state.loss !== undefined) now.loss.add(link)
          if (state.slow !== undefined) now.latency.add(link)
        }
      }
      for (const link of now.loss) if (!alarmed.loss.has(link)) alarms.loss++
      for (const link of now.latency) if (!alarmed.latency.has(link)) alarms.latency++
      alarmed = now
      const hasAlarm = now.loss.size + now.latency.size > 0
      if (open.length > 0 || isEstablished || hasAlarm) explainRows()
      return !isFailing && !hasAlarm && open.length === 0
    },
  }
}

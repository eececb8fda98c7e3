import { setTimeout as sleep } from 'node:timers/promises'
import { evidenceOf, explain, incidentsOf } from '@scout/core'

/** @typedef {import('./mesh.mjs').Mesh} Mesh */
/** @typedef {import('@scout/core').Incident} Incident */
/**
 * What the mesh shows at one moment.
 *
 * @typedef {object} Moment
 * @property {number} atMs wall clock
 * @property {readonly Incident[]} incidents
 * @property {boolean} isWell whether every series of every agent is ok
 * @property {string} state of the series that are not, for messages
 */
/** @typedef {ReturnType<typeof watchMesh>} Watch */

const everyMs = 1_000

/**
 * Reads the rows of a mesh and names their incidents, once a second for as long as a caller wants the next moment.
 *
 * @param {Mesh} mesh
 * @param {{ signal: AbortSignal, isOfAgents?: boolean }} options with `isOfAgents`, the incidents are those that the agents show
 */
export function watchMesh(mesh, { signal, isOfAgents = false }) {
  /** @type {ReadonlySet<string>} */
  let gone = new Set()
  let nextMs = 0

  return {
    /** Agents on these nodes count as gone: their rows are not read. */
    setGone(/** @type {readonly string[]} */ nodes) {
      gone = new Set(nodes)
    },
    /** @returns {Promise<Moment>} */
    async next() {
      await sleep(Math.max(0, nextMs - Date.now()), undefined, { signal })
      nextMs = Math.max(nextMs + everyMs, Date.now())
      const answers = (await mesh.read()).map((answer) => (gone.has(answer.node) ? { node: answer.node } : answer))
      const atMs = Date.now()
      const incidents = isOfAgents ? await mesh.spoken(gone) : incidentsOf(explain(evidenceOf(answers, atMs)), { atMs })
      const series = answers.flatMap(({ received }) => received?.row.series ?? [])
      const others = series.filter(({ state }) => state !== 'ok')
      return {
        atMs,
        incidents,
        isWell: series.length === mesh.seriesCount && others.length === 0,
        state: stateText(series.length, mesh.seriesCount, others),
      }
    },
  }
}

/** @returns {string} */
function stateText(
  /** @type {number} */ count,
  /** @type {number} */ expected,
  /** @type {readonly import('@scout/core').SeriesReport[]} */ others,
) {
  const shown = others.slice(0, 3).map(({ check, from, to, family, state, last }) => {
    const message = last?.ok === false ? ` (${last.failure.message})` : ''
    return `${check} ${from} -> ${to ?? 'itself'} ${family ?? ''} ${state}${message}`
  })
  return [`${count} of ${expected} series`, `${others.length} not ok`, ...shown].join('; ')
}

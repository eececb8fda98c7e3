// The console of an agent with 31 peers in a process of its own, which does nothing else. Sends where it is.

import { catalogue, Fact } from '@scout/core'
import { configSchema } from '../../../packages/agent/dist/config/index.js'
import { createTimeline } from '../../../packages/agent/dist/diagnosis/timeline.js'
import { historyOf } from '../../../packages/agent/dist/memory/history.js'
import { metrics } from '../../../packages/agent/dist/outputs/metrics/metrics.js'
import { startConsole } from '../../../packages/agent/dist/outputs/server.js'
import { agentIn, checkOf, peersOf } from './rows.mjs'

const peers = peersOf(31)
const own = 'node-a'
const watchers = peers.slice(0, 3).map(({ node }) => node)
const startedAtMs = Date.now()
const { takeRow, memory } = agentIn({ peers, checks: catalogue.map(checkOf) })
const { series } = takeRow()

/** Evidence of all: what this agent's checks show, from each node to each other. */
const nodes = [own, ...peers.map(({ node }) => node)]
const facts = nodes.flatMap((from, number) =>
  series.flatMap(({ check, protocol, path, vantage, family, target, to }) => {
    if (to === undefined) return []
    const name = to === from ? own : to
    const end = { kind: /** @type {const} */ ('node'), name }
    const known = { from, to: end, target, sinceMs: startedAtMs, lastMs: startedAtMs, trials: 9 }
    return [
      new Fact({ check, protocol, path, vantage, family }, { ...known, symptom: 'passes', medianNs: 120_000 + number }),
    ]
  }),
)
const evidence = {
  atMs: startedAtMs,
  nodes: nodes.map((name) => ({ name, hasRow: true, isStarved: false, problems: [] })),
  facts,
}

/**
 * A history of a full day.
 *
 * @param {number} spanMs
 * @param {number} count
 */
function slotsOf(spanMs, count) {
  const slots = Array.from({ length: count }, (_, index) => ({
    fromMs: (Math.floor(Date.now() / spanMs) - count + 1 + index) * spanMs,
    passed: spanMs / 10_000,
    failed: 0,
    other: 0,
    reasons: [],
    timesNs: { min: 80_123 + index, p50: 120_456 + index, p99: 310_789 + index, max: 412_345 + index },
  }))
  return { spanMs, slots }
}

/** @param {{ isWatcher: boolean, ask: import('../../../packages/agent/dist/agent.js').Agent['ask'] }} role */
async function serve({ isWatcher, ask }) {
  const speaker = {
    speaker: isWatcher ? own : watchers[0],
    isSpeaking: isWatcher,
    watchers: isWatcher ? [own] : watchers,
  }
  const view = { rows: nodes.length, ready: nodes.length, missing: [], incidents: [], evidence }
  return startConsole({
    host: '127.0.0.1',
    port: 0,
    node: own,
    names: [],
    token: '',
    metrics,
    budget: configSchema.parse({}).metrics.series,
    row: takeRow,
    mesh: () => ({ ...speaker, ...view }),
    history(query) {
      const { series, failures } = historyOf(memory, query, Date.now())
      return {
        failures,
        series: series.map((one) => ({ ...one, recent: slotsOf(10_000, 60), day: slotsOf(60_000, 1_440) })),
      }
    },
    changes: () => ({ links: '1', incidents: '1' }),
    speaker: () => speaker,
    timeline: createTimeline(),
    hasPeerOn: () => true,
    ask,
    health: () => ({ isAlive: true, isReady: true, knowledge: { source: 'bench' } }),
    document: () => ({}),
    onDefect: (error) => console.error(error),
  })
}

const watcher = await serve({ isWatcher: true, ask: async () => undefined })
/** What a peer sends; that it has made it is no part of what this agent does. @type {Map<string, string>} */
const answers = new Map()
const asking = await serve({
  isWatcher: false,
  async ask(_, question) {
    const id = question.toString()
    const known = answers.get(id)
    if (known !== undefined) return known
    const document = await watcher.documentFor(question)
    // Its own links stand for those of the node that is asked.
    const text = JSON.stringify({ gzip: document?.toString('base64') })
    answers.set(id, text)
    return text
  },
})
process.send?.({ watcher: watcher.port, asking: asking.port, own, other: watchers[0] })

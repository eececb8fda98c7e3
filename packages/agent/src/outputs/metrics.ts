import { Counter, collectDefaultMetrics, Gauge, Histogram, type HistogramConfiguration, Registry } from 'prom-client'
import { bucketEdgesSeconds, type Counts, sumOf } from '../memory/ledger.ts'
import type { SeriesView, Snapshot } from '../memory/snapshot.ts'

const linkLabels = ['check', 'protocol', 'family', 'source_node', 'source_zone', 'target_node', 'target_zone'] as const
const zoneLabels = ['check', 'protocol', 'family', 'source_zone', 'target_zone'] as const

type LinkLabel = (typeof linkLabels)[number]
type ZoneLabel = (typeof zoneLabels)[number]

/** The process's own metrics, which no snapshot holds: memory, CPU, event loop, garbage collection. */
export function createProcessMetrics(): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  // Gauges under the suffix of counters, which Prometheus advises against; each is the sum of one without it.
  for (const kind of ['handles', 'requests', 'resources']) registry.removeSingleMetric(`nodejs_active_${kind}_total`)
  return registry
}

/** A snapshot as Prometheus metrics: made anew each time, so nothing outlives the peer it is about. */
export function metricsOf(snapshot: Snapshot): Registry {
  const registry = new Registry()
  const registers = [registry]
  const { self, schedule } = snapshot

  new Gauge({
    name: 'scout_build_info',
    help: 'Version of this agent; always 1.',
    labelNames: ['version', 'node'],
    registers,
  }).set({ version: self.version, node: self.node }, 1)
  const peers = new Gauge({ name: 'scout_peers', help: 'Peers known, by state.', labelNames: ['state'], registers })
  for (const state of ['starting', 'ready', 'leaving']) {
    peers.set({ state }, snapshot.peers.filter((peer) => peer.state === state).length)
  }
  new Gauge({
    name: 'scout_knowledge_age_seconds',
    help: 'Time since the source of the peers was last heard of.',
    registers,
  }).set(knowledgeAgeSeconds(snapshot))
  new Gauge({
    name: 'scout_knowledge_trouble',
    help: '1 while the source of the peers does not answer.',
    registers,
  }).set(snapshot.knowledge.trouble === undefined ? 0 : 1)

  const attempts = new Counter({
    name: 'scout_probe_attempts_total',
    help: 'Attempts by what came of them; unable is what this agent lacks the means for, and reason is empty for successes.',
    labelNames: [...linkLabels, 'outcome', 'reason'],
    registers,
  })
  const failing = new Gauge({
    name: 'scout_probe_failing',
    help: '1 when the last attempt failed, 0 when it succeeded.',
    labelNames: linkLabels,
    registers,
  })
  const lastSeconds = new Gauge({
    name: 'scout_probe_last_duration_seconds',
    help: 'Duration of the last attempt, if it succeeded.',
    labelNames: [...linkLabels, 'clock'],
    registers,
  })
  const durations = new ZoneHistogram({
    name: 'scout_probe_duration_seconds',
    help: 'Duration of successful attempts by pair of zones.',
    labelNames: zoneLabels,
    buckets: [...bucketEdgesSeconds],
    registers,
  })
  // Paths between the same two nodes share their labels (two peers on a node, a peer with two addresses): one that fails is shown.
  const failingLast = snapshot.series.toSorted((a, b) => Number(a.state === 'failing') - Number(b.state === 'failing'))
  for (const series of failingLast) {
    const labels = labelsOf(snapshot, series)
    for (const { count, ...outcome } of outcomesOf(sumOf(series, series.inherited))) {
      attempts.inc({ ...labels, ...outcome }, count)
    }
    if (series.attempts === 0) continue
    if (series.state === 'ok' || series.state === 'failing') failing.set(labels, series.state === 'failing' ? 1 : 0)
    if (series.last?.ok === true) lastSeconds.set({ ...labels, clock: series.last.clock.rx }, series.last.totalNs / 1e9)
    durations.add(labels, series)
  }
  for (const gone of snapshot.departed) {
    const { check, protocol } = gone
    const zones = { source_zone: snapshot.self.zone ?? '', target_zone: gone.zone ?? '' }
    durations.add({ check, protocol, family: gone.family ?? '', ...zones }, gone)
  }

  const runs = new Counter({
    name: 'scout_schedule_runs_total',
    help: 'Runs of the schedule.',
    labelNames: ['outcome'],
    registers,
  })
  runs.inc({ outcome: 'started' }, schedule.started)
  runs.inc({ outcome: 'late' }, schedule.late)
  runs.inc({ outcome: 'skipped' }, schedule.skipped)
  new Gauge({ name: 'scout_probes_in_flight', help: 'Attempts under way.', registers }).set(schedule.inFlight)
  new Counter({
    name: 'scout_results_set_aside_total',
    help: 'Results not counted, because the peer was starting, leaving or gone, or became so.',
    registers,
  }).inc(snapshot.setAside)
  new Gauge({
    name: 'scout_results_held',
    help: 'Failures held back until it is known whether their peer was leaving, and results behind them.',
    registers,
  }).set(snapshot.held)
  const greetings = new Counter({
    name: 'scout_greetings_total',
    help: 'Peers asked who they are, by what they answered.',
    labelNames: ['outcome'],
    registers,
  })
  for (const [outcome, count] of Object.entries<number>({ ...snapshot.greetings })) greetings.inc({ outcome }, count)
  const strays = new Counter({
    name: 'scout_stray_answers_total',
    help: 'Answers that no attempt waited for.',
    labelNames: ['protocol', 'kind'],
    registers,
  })
  for (const [protocol, counts] of Object.entries(snapshot.strays)) {
    for (const [kind, count] of Object.entries(counts)) strays.inc({ protocol, kind }, count)
  }
  const requests = new Counter({
    name: 'scout_responder_requests_total',
    help: 'Requests to this responder by what came of them.',
    labelNames: ['responder', 'outcome'],
    registers,
  })
  for (const [responder, counts] of Object.entries(snapshot.responders)) {
    for (const [outcome, count] of Object.entries(counts)) requests.inc({ responder, outcome }, count)
  }
  return registry
}

function outcomesOf({ successes, failures, unable = {} }: Counts) {
  return [
    ...(successes === 0 ? [] : [{ outcome: 'success', reason: '', count: successes }]),
    ...Object.entries(failures).map(([reason, count]) => ({ outcome: 'failure', reason, count })),
    ...Object.entries(unable).map(([reason, count]) => ({ outcome: 'unable', reason, count })),
  ]
}

/** A source that was never heard of is as old as this agent; a list does not grow old. */
function knowledgeAgeSeconds({ knowledge, takenAtMs, startedAtMs }: Snapshot): number {
  const { heardAtMs = takenAtMs } = knowledge
  return Math.max(0, takenAtMs - (heardAtMs === 0 ? startedAtMs : heardAtMs)) / 1000
}

function labelsOf({ self }: Snapshot, { check, protocol, family, peer }: SeriesView): Record<LinkLabel, string> {
  return {
    check,
    protocol,
    family: family ?? '',
    source_node: self.node,
    source_zone: self.zone ?? '',
    target_node: peer?.node ?? '',
    target_zone: peer?.zone ?? '',
  }
}

/** prom-client's histogram takes observations one by one; the ledger has counted them already. */
class ZoneHistogram extends Histogram<ZoneLabel> {
  readonly #configuration: HistogramConfiguration<ZoneLabel>
  readonly #sums = new Map<
    string,
    { readonly labels: Record<ZoneLabel, string>; buckets: readonly number[]; sumNs: number }
  >()

  constructor(configuration: HistogramConfiguration<ZoneLabel>) {
    super(configuration)
    this.#configuration = configuration
  }

  add(labels: Record<ZoneLabel, string>, { buckets, sumNs }: Pick<SeriesView, 'buckets' | 'sumNs'>): void {
    const { check, protocol, family, source_zone, target_zone } = labels
    const key = [check, protocol, family, source_zone, target_zone].join(' ')
    const sum = this.#sums.get(key)
    if (sum === undefined) {
      this.#sums.set(key, { labels: { check, protocol, family, source_zone, target_zone }, buckets, sumNs })
    } else {
      sum.buckets = sum.buckets.map((count, i) => count + (buckets[i] ?? 0))
      sum.sumNs += sumNs
    }
  }

  /** What prom-client writes a histogram from, though its types do not tell; `get` is made from it. */
  async getForPromString() {
    const { name, help } = this.#configuration
    const values = [...this.#sums.values()].flatMap(({ labels: sharedLabels, buckets, sumNs }) => {
      let below = 0
      const edges = buckets.map((count, i) => {
        below += count
        const le = bucketEdgesSeconds[i] ?? '+Inf'
        return { metricName: `${name}_bucket`, labels: { le }, sharedLabels, value: below }
      })
      return [
        ...edges,
        { metricName: `${name}_sum`, labels: {}, sharedLabels, value: sumNs / 1e9 },
        { metricName: `${name}_count`, labels: {}, sharedLabels, value: below },
      ]
    })
    return { name, help, type: 'histogram', values }
  }
}

import type { Sample } from './query.ts'

/** Asks one question of the store. */
export type Ask = (query: string) => Promise<readonly Sample[]>

/** Samples about one time, each list by what it was asked for. */
export interface Samples {
  /** Of each agent, with the time of its scrape as value. */
  readonly agents: readonly Sample[]
  /** Gauges of agents, with their names. */
  readonly gauges: readonly Sample[]
  readonly incidents: readonly Sample[]
  /** The incidents by id, with the time of their first sample of the last week as value. */
  readonly incidentStarts: readonly Sample[]
  /** The series with a current result: 1 for those that fail. */
  readonly states: readonly Sample[]
  readonly waiting: readonly Sample[]
  readonly unable: readonly Sample[]
  /** Failures of the failing series by reason. */
  readonly reasons: readonly Sample[]
  /** Last successes, as time, if some series fail. */
  readonly successes: readonly Sample[]
  /** Starts of the agents' processes, as time. */
  readonly agentStarts: readonly Sample[]
  /** Nodes with their zones, if some series fail. */
  readonly nodeZones: readonly Sample[]
  /** Share of the attempts that failed by pair of zones, if not every series has samples. */
  readonly zones: readonly Sample[]
}

const series = 'source_node, target_node, check, path, family'
/** Prometheus needs two scrapes for an increase; they are a minute apart at most, nearly everywhere. */
const window = '5m'
const gaugeNames = [
  'scout_series_budget_withheld',
  'scout_incident_speaker',
  'scout_incident_open',
  'scout_evidence_rows',
  'scout_prober_starved',
]

/** Returns the samples of the agents, with the time of each as value: without one of them, nothing else is worth asking for. */
export function agentsQuery(labels: Labels): string {
  return `timestamp(scout_build_info${matching(labels)})`
}

/** Returns everything else. What only matters where something fails is asked for only there. */
export async function readSamples(ask: Ask, labels: Labels, agents: readonly Sample[]): Promise<Samples> {
  const of = (name: string, ...more: readonly string[]) => `${name}${matching(labels, more)}`
  const failing = of('scout_probe_failing')
  const attempts = (outcome: string) => of('scout_probe_attempts_total', `outcome="${outcome}"`)
  const [gauges, incidents, states, waiting, unable] = await Promise.all([
    ask(matching(labels, [`__name__=~"${gaugeNames.join('|')}"`])),
    ask(of('scout_incident_info')),
    ask(`max by (${series}) (${failing})`),
    ask(`count by (${series}) (${attempts('success')}) unless on (${series}) ${failing}`),
    ask(`max by (${series}, reason) (${attempts('unable')}) > 0 unless on (${series}) ${failing}`),
  ])
  const ifAny = async (samples: readonly Sample[], query: string) => (samples.length === 0 ? [] : ask(query))
  const failed = states.filter(({ value }) => value > 0)
  const withheld = gauges.filter(({ labels: { __name__: name }, value }) => name === gaugeNames[0] && value > 0)
  const bad = attempts('failure')
  const onFailing = `and on (${series}) ${failing} == 1`
  const first = (steps: string) => `min by (id) (min_over_time(timestamp(${of('scout_incident_info')})[${steps}]))`
  const zoned = (outcomes: string) =>
    `sum by (source_zone, target_zone, check) (increase(${of('scout_zone_attempts_total', `outcome=~"${outcomes}"`)}[${window}]))`
  const [early, late, reasons, successes, agentStarts, nodeZones, zones] = await Promise.all([
    // A subquery sees what exists at its steps, which are short enough only for the last hour.
    ifAny(incidents, first('7d:5m')),
    ifAny(incidents, first('1h:10s')),
    // A counter that appears with a failure has no increase at first.
    ifAny(
      failed,
      `sum by (${series}, reason) ((increase(${bad}[${window}]) > 0 or (${bad} > 0 unless ${bad} offset ${window})) ${onFailing})`,
    ),
    ifAny(failed, `max by (${series}) (${of('scout_probe_last_success_timestamp_seconds')})`),
    ifAny(failed, `${of('process_start_time_seconds')} and on (instance, job) ${of('scout_build_info')}`),
    ifAny(failed, `count by (source_node, source_zone) (${failing})`),
    ifAny(withheld, `${zoned('failure')} / ${zoned('success|failure')} > 0`),
  ])
  return {
    agents,
    gauges,
    incidents,
    incidentStarts: [...early, ...late],
    states,
    waiting,
    unable,
    reasons,
    successes,
    agentStarts,
    nodeZones,
    zones,
  }
}

/** Labels that every series must have, such as that of a cluster. */
export type Labels = Readonly<Record<string, string>>

function matching(labels: Labels, more: readonly string[] = []): string {
  // Strings of PromQL are those of Go, which include those of JSON.
  const all = [...Object.entries(labels).map(([name, value]) => `${name}=${JSON.stringify(value)}`), ...more]
  return all.length === 0 ? '' : `{${all.join(',')}}`
}

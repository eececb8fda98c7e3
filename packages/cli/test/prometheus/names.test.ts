import { expect, test } from 'vitest'
import { metrics } from '../../../agent/src/outputs/metrics/metrics.ts'
import { gaugesOf, incidentsIn, reportsOf, seriesOf } from '../../src/prometheus/rebuild.ts'
import { agentsQuery, readSamples, type Samples } from '../../src/prometheus/samples.ts'

/*
 * The command line may not import the metrics of agents: it reads those of any version, from a store. These tests fail if it asks for what the
 * present version does not expose.
 */

/** Labels that scraping adds. */
const ofTargets = ['instance', 'job', 'pod', 'namespace', 'cluster']

/** Metrics that each list of samples is asked for. */
const asked = {
  agents: ['scout_build_info'],
  gauges: [
    'scout_series_budget_withheld',
    'scout_incident_speaker',
    'scout_incident_open',
    'scout_evidence_rows',
    'scout_prober_starved',
  ],
  incidents: ['scout_incident_info'],
  incidentStarts: ['scout_incident_info'],
  states: ['scout_probe_failing'],
  waiting: ['scout_probe_attempts_total'],
  unable: ['scout_probe_attempts_total'],
  reasons: ['scout_probe_attempts_total'],
  successes: ['scout_probe_last_success_timestamp_seconds'],
  agentStarts: ['process_start_time_seconds'],
  nodeZones: ['scout_probe_failing'],
  zones: ['scout_zone_attempts_total'],
} as const satisfies Readonly<Record<keyof Samples, readonly string[]>>

function labelsOf(name: string): readonly string[] {
  const found = metrics.find((metric) => metric.name === name)
  if (found === undefined) throw new Error(`agents have no metric ${name}`)
  return found.labels
}

function stateIn(name: string): string {
  return name === 'scout_evidence_rows' ? 'held' : 'failing'
}

test('every query is about metrics of agents, with labels that they have', async () => {
  const queries: string[] = []
  // Something fails and something is withheld, so that nothing is left unasked.
  await readSamples(
    async (query) => {
      queries.push(query)
      return [{ labels: { __name__: 'scout_series_budget_withheld' }, value: 1 }]
    },
    {},
    [],
  )
  const known = new Set<string>()
  for (const query of [agentsQuery({}), ...queries]) {
    const names = [...new Set(query.match(/\b(?:scout|process)_\w+/g))]
    for (const name of names) known.add(name)
    const labels = ['__name__', ...ofTargets, ...names.flatMap(labelsOf)]
    const inLists = [...query.matchAll(/\b(?:by|on) \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(', '))
    const inMatchers = [...query.matchAll(/(\w+)=~?"/g)].map(([, label = '']) => label)
    const unknown = [...inLists, ...inMatchers].filter((label) => !labels.includes(label))
    expect([query, unknown]).toEqual([query, []])
  }
  expect([...known].toSorted()).toEqual([...new Set(Object.values(asked).flat())].toSorted())
})

test('every label that is read is one of the metric that was asked for', () => {
  const read = new Map<string, Set<string>>()
  const samplesOf = (list: keyof Samples) => {
    const names = new Set<string>()
    read.set(list, names)
    return asked[list].map((name) => {
      const labels: Record<string, string> = { __name__: name }
      for (const label of labelsOf(name)) labels[label] = label === 'state' ? stateIn(name) : 'x'
      const recording = new Proxy(labels, {
        get(target, label) {
          names.add(String(label))
          return Reflect.get(target, label)
        },
      })
      return { labels: recording, value: 1 }
    })
  }
  const samples: Samples = {
    agents: samplesOf('agents'),
    gauges: samplesOf('gauges'),
    incidents: samplesOf('incidents'),
    incidentStarts: samplesOf('incidentStarts'),
    states: samplesOf('states'),
    waiting: samplesOf('waiting'),
    unable: samplesOf('unable'),
    reasons: samplesOf('reasons'),
    successes: samplesOf('successes'),
    agentStarts: samplesOf('agentStarts'),
    nodeZones: samplesOf('nodeZones'),
    zones: samplesOf('zones'),
  }
  reportsOf(samples)
  seriesOf(samples, 1)
  incidentsIn(samples, 1)
  const [agent] = gaugesOf(samples)
  // An agent is found by the labels of its target, which are all but its own.
  expect(agent).toMatchObject({ isSpeaking: true, isStarved: true, held: 1, withheld: { failing: 1 } })
  expect(read.get('states')?.size).toBeGreaterThan(3)
  for (const [list, labels] of read) {
    const names: readonly string[] = Object.entries(asked).find(([name]) => name === list)?.[1] ?? []
    const exposed = ['__name__', ...ofTargets, ...names.flatMap(labelsOf)]
    expect([list, [...labels].filter((label) => !exposed.includes(label))]).toEqual([list, []])
  }
})

import {
  type Family,
  groupBy,
  isFailureReason,
  type Mesh,
  meshOf,
  reasons,
  type SeriesState,
  shellWord,
} from '@scout/core'
import type { AgentReport, SeenIncident } from '../cluster/seen.ts'
import type { Sample } from './query.ts'
import type { Samples } from './samples.ts'

/** What the gauges of one agent say. Several agents on one node are one. */
export interface AgentGauges {
  readonly node: string
  readonly sampledAtMs: number
  readonly isSpeaking: boolean
  /** Whether it lacked the CPU to measure. */
  readonly isStarved: boolean
  /** Rows that it holds for the diagnosis, of how many ready agents. */
  readonly held: number
  readonly ready: number
  /** Series without samples, because of the budget. */
  readonly withheld: { readonly failing: number; readonly other: number }
}

/** Returns what each agent says of itself, by the labels that its target has in the store. */
export function gaugesOf({ agents, gauges }: Samples): readonly AgentGauges[] {
  const values = new Map(gauges.map((gauge) => [gaugeId(gauge, gauge.labels), gauge.value]))
  return agents.map((agent) => {
    const value = (name: string, state = '') => values.get(gaugeId(agent, { __name__: name, state })) ?? 0
    return {
      node: agent.labels['node'] ?? '',
      sampledAtMs: agent.value * 1000,
      isSpeaking: value('scout_incident_speaker') === 1,
      isStarved: value('scout_prober_starved') === 1,
      held: value('scout_evidence_rows', 'held'),
      ready: value('scout_evidence_rows', 'ready'),
      withheld: {
        failing: value('scout_series_budget_withheld', 'failing'),
        other: value('scout_series_budget_withheld', 'other'),
      },
    }
  })
}

function gaugeId(sample: Sample, { __name__: name = '', state = '' }: Sample['labels']): string {
  return JSON.stringify([targetOf(sample), name, state])
}

/** Labels of metrics of agents themselves. All others are those of the target. */
const ownLabels: ReadonlySet<string> = new Set(['__name__', 'node', 'version', 'state', 'severity'])

function targetOf(sample: Pick<Sample, 'labels'>): string {
  const labels = Object.entries(sample.labels).filter(([name]) => !ownLabels.has(name))
  return JSON.stringify(labels.toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

/** Returns a report of each agent with samples, and of each node that others probe without any. */
export function reportsOf({ agents, states, waiting }: Samples): readonly AgentReport[] {
  const known = agents.map(({ labels }): AgentReport => {
    const { node = '', pod = node, instance = '', namespace } = labels
    const agent = {
      id: targetOf({ labels }),
      name: pod,
      node,
      addresses: [instance],
      state: 'ready',
    } as const
    return { agent: namespace === undefined ? agent : { ...agent, namespace }, answer: { ok: true } }
  })
  const nodes = new Set(known.map(({ agent: { node } }) => node))
  const others = [...states, ...waiting].flatMap(({ labels: { source_node: from = '', target_node: to = '' } }) => [
    from,
    to,
  ])
  const absent = [...new Set(others)].filter((node) => node !== '' && !nodes.has(node))
  return [
    ...known,
    ...absent.map(
      (node): AgentReport => ({
        agent: { id: node, name: 'its agent', node, addresses: [], state: 'ready' },
        answer: { ok: false, message: 'it was not scraped at that time' },
      }),
    ),
  ]
}

interface Rebuilt {
  readonly series: readonly Series[]
  readonly gauges: readonly AgentGauges[]
  readonly reports: readonly AgentReport[]
  readonly atMs: number
}

/** Returns the mesh as the samples show it. Links that they may leave out are unknown. */
export function rebuiltMesh({ series, gauges, reports, atMs }: Rebuilt): Mesh {
  const bySource = new Map(groupBy(series, ({ from }) => from).map((group) => [group[0]?.from, group] as const))
  const nodes = new Map(reports.map(({ agent: { node }, answer: { ok } }) => [node, ok]))
  const mesh = meshOf(
    [...nodes].map(([node, ok]) => ({
      node,
      ...(ok ? { received: { row: { takenAtMs: atMs, series: bySource.get(node) ?? [] }, receivedAtMs: atMs } } : {}),
    })),
  )
  const partial = new Set(
    gauges.flatMap(({ node, withheld: { failing, other } }) => (failing + other > 0 ? [node] : [])),
  )
  const isLeftOut = ({ from, state }: Mesh['links'][number]) => state === 'not probed' && partial.has(from)
  return { ...mesh, links: mesh.links.map((link) => (isLeftOut(link) ? { ...link, state: 'unknown' } : link)) }
}

/** One series, as far as its samples describe it. */
export interface Series extends SeriesState {
  readonly from: string
  /** Wall clock of its last success. */
  readonly succeededAtMs?: number | undefined
  /** Failures of the last minutes, if it fails. */
  readonly failures?: number
}

export function seriesOf(samples: Samples, atMs: number): readonly Series[] {
  const { states, waiting, unable, reasons: counts, successes, agentStarts, agents } = samples
  const succeeded = new Map(successes.map(({ labels, value }) => [seriesId(labels), value * 1000]))
  const worst = new Map<string, Sample>()
  const failed = new Map<string, number>()
  for (const sample of counts) {
    const id = seriesId(sample.labels)
    failed.set(id, (failed.get(id) ?? 0) + sample.value)
    if ((worst.get(id)?.value ?? 0) < sample.value) worst.set(id, sample)
  }
  const started = new Map(agentStarts.map((sample) => [targetOf(sample), sample.value * 1000]))
  const starts = new Map(agents.map((agent) => [agent.labels['node'], started.get(targetOf(agent))]))
  return [
    ...states.map(({ labels, value }): Series => {
      const id = seriesId(labels)
      const succeededAtMs = succeeded.get(id)
      if (value === 0) return { ...keyOf(labels), state: 'ok', last: { ok: true }, succeededAtMs }
      // What never succeeded fails since the agent's start.
      const sinceMs = Math.min(succeededAtMs ?? starts.get(labels['source_node']) ?? atMs, atMs)
      const failure = failureBy(worst.get(id)?.labels['reason'])
      const failures = failed.get(id) ?? 0
      return { ...keyOf(labels), state: 'failing', sinceMs, last: { ok: false, failure }, succeededAtMs, failures }
    }),
    ...waiting.map(({ labels }): Series => ({ ...keyOf(labels), state: 'waiting' })),
    ...unable.map(
      ({ labels }): Series => ({
        ...keyOf(labels),
        state: 'unable',
        last: { ok: false, failure: failureBy(labels['reason']) },
      }),
    ),
  ]
}

function seriesId({ source_node: from, target_node: to, check, path, family }: Sample['labels']): string {
  return JSON.stringify([from, to ?? '', check, path ?? '', family ?? ''])
}

function keyOf({ source_node: from = '', target_node: to = '', check = '', path = '', family = '' }: Sample['labels']) {
  return { from, to: to === '' ? undefined : to, check, path, family: familyIn(family) }
}

function familyIn(label: string): Family | undefined {
  return label === 'ipv4' || label === 'ipv6' ? label : undefined
}

/** Metrics know no more of a failure than its reason. */
function failureBy(reason = 'failure') {
  const message = isFailureReason(reason) ? reasons[reason].says : 'the metrics do not say why'
  return { reason, phase: 'setup', message }
}

/** An incident that has lasted less is transient. */
const transientMs = 30_000

/** Returns the incidents that agents reported, the gravest first. */
export function incidentsIn({ incidents, incidentStarts }: Samples, atMs: number): readonly SeenIncident[] {
  const startsMs = new Map<string, number>()
  for (const { labels, value } of incidentStarts) {
    const { id = '' } = labels
    startsMs.set(id, Math.min(startsMs.get(id) ?? atMs, value * 1000))
  }
  const byId = new Map(incidents.map(({ labels }) => [labels['id'] ?? '', labels]))
  return [...byId]
    .map(([id, { cause = '', scope = '', severity = '', summary = '' }]): SeenIncident => {
      const openedAtMs = startsMs.get(id) ?? atMs
      return {
        id,
        state: atMs - openedAtMs < transientMs ? 'transient' : 'open',
        cause,
        scope: { kind: scope },
        severity: severities.find((one) => one === severity) ?? 'warning',
        openedAtMs,
        summary,
        evidence: [],
        weights: [],
        ruledOut: [],
        rivals: [],
        next: `scout-probe explain ${shellWord(cause)}`,
      }
    })
    .toSorted((a, b) => severities.indexOf(a.severity) - severities.indexOf(b.severity) || a.openedAtMs - b.openedAtMs)
}

const severities = ['critical', 'warning', 'informational'] as const

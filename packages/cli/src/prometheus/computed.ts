import {
  catalogue,
  explain,
  Fact,
  incidentsOf,
  isFailureReason,
  type Mesh,
  makeCheck,
  type NodeEvidence,
  nodesIn,
  type Scope,
  shellWord,
  symptomOf,
} from '@scout/core'
import type { SeenIncident } from '../cluster/seen.ts'
import type { AgentGauges, Series } from './rebuild.ts'

/*
 * Causes of failures that no agent reports an incident about: the explainer of the agents, with what their metrics show. That is much less than
 * the agents know, so it is used only as far as it is unambiguous. A fact is the last result of a check between two nodes, of those that
 * agents have by default: metrics contain no options, so that of others it is not known how large their packets are. Kept and idle flows,
 * loss, latency, ICMP errors, and what agents collected are not in the metrics. Neither are the addresses of name servers and services,
 * which may differ from node to node. A failure must have lasted longer than it takes agents to report it.
 */

export interface Computed {
  readonly incidents: readonly SeenIncident[]
  readonly remarks: readonly string[]
}

export interface ComputedFrom {
  readonly series: readonly Series[]
  readonly gauges: readonly AgentGauges[]
  readonly zones: ReadonlyMap<string, string>
  readonly mesh: Mesh
  /** Incidents that agents report. */
  readonly reported: readonly SeenIncident[]
  readonly atMs: number
}

const burstMs = 60_000

const limits =
  'causes computed from metrics use only the last results of the default checks between nodes, not loss, latency or what agents collected'
const isIncomplete =
  'no cause is computed for failures without an incident, because not every link has samples (setting metrics.series)'

/** Returns incidents for the failures that no reported one is about. */
export function computedIncidents({ series, gauges, zones, mesh, reported, atMs }: ComputedFrom): Computed {
  const shown = factsOf(series, atMs)
  if (!shown.some(({ symptom }) => symptom !== 'passes')) return { incidents: [], remarks: [] }
  const scraped = new Set(gauges.map(({ node }) => node))
  const isPartial = ({ from, state }: Mesh['links'][number]) => state === 'unknown' && scraped.has(from)
  if (gauges.some(({ withheld }) => withheld.failing > 0) || mesh.links.some(isPartial)) {
    return { incidents: [], remarks: reported.length === 0 ? [isIncomplete] : [] }
  }
  const partial = new Set(gauges.flatMap(({ node, withheld }) => (withheld.other > 0 ? [node] : [])))
  const facts = [...shown, ...withheldFacts(series, shown, partial)]
  const nodes = mesh.nodes.map(
    (name): NodeEvidence => ({
      name,
      zone: zones.get(name),
      hasRow: scraped.has(name),
      isStarved: gauges.some(({ node, isStarved }) => node === name && isStarved),
      problems: [],
    }),
  )
  const isReported = coveredBy(reported, mesh.nodes)
  const incidents = incidentsOf(explain({ atMs, nodes, facts }, { burstMs }), { atMs })
    .filter(({ scope }) => !isReported(scope))
    .map(
      (incident): SeenIncident => ({
        ...incident,
        isComputed: true,
        // It is that of the agents' evidence, which the lab has calibrated.
        confidence: undefined,
        next: `scout-probe explain ${shellWord(incident.cause)}`,
      }),
    )
  return { incidents, remarks: incidents.length === 0 ? [] : [limits] }
}

function factsOf(series: readonly Series[], atMs: number): readonly Fact[] {
  const checks = new Map(
    catalogue.map((definition) => makeCheck(definition, { intervalMs: 1_000 })).map((check) => [check.name, check]),
  )
  return series.flatMap((one): readonly Fact[] => {
    const { from, to, family, state, sinceMs = atMs, succeededAtMs, failures = 0, last } = one
    const check = checks.get(one.check)
    if (to === undefined || check?.path !== one.path || check.socket !== undefined) return []
    const { name, protocol, bytes, path, vantage } = check
    const aspect = { check: name, protocol, bytes, path, vantage, family }
    const link = { from, to: { kind: 'node', name: to }, target: to } as const
    if (state === 'ok') {
      const passedMs = succeededAtMs ?? atMs
      return [new Fact(aspect, { ...link, symptom: 'passes', sinceMs: passedMs, lastMs: passedMs, trials: 1 })]
    }
    if (state !== 'failing' || last === undefined || last.ok) return []
    const { reason, message } = last.failure
    const symptom = isFailureReason(reason) && !isAmbiguous(reason) ? symptomOf({ reason }) : undefined
    if (symptom === undefined) return []
    const trials = Math.max(1, Math.round(failures))
    return [new Fact(aspect, { ...link, symptom, sinceMs, lastMs: atMs, trials, message })]
  })
}

/** Whether a reason alone does not tell what happened: the own host prohibits, or another one. */
function isAmbiguous(reason: string): boolean {
  return reason === 'prohibited'
}

/**
 * Returns the facts of series that the budget of their agents withholds. If none of those fails, a check that an agent makes passes on
 * each link on which another one passes. Only links of nodes with failures matter: those of the others pass anyway.
 */
function withheldFacts(
  series: readonly Series[],
  shown: readonly Fact[],
  partial: ReadonlySet<string>,
): readonly Fact[] {
  const troubled = new Set(shown.flatMap(({ from, to, symptom }) => (symptom === 'passes' ? [] : [from, to.name])))
  const listed = new Set(series.map(({ from, to = '', check, family = '' }) => idOf(from, to, family, check)))
  const made = new Map<string, Map<string, Fact>>()
  const passing = new Map<string, Fact>()
  for (const fact of shown) {
    const { from, to, check, family = '', symptom } = fact
    if (!partial.has(from)) continue
    const ofAgent = made.get(idOf(from, family)) ?? new Map<string, Fact>()
    made.set(idOf(from, family), ofAgent.set(check, fact))
    const isNear = troubled.has(from) || troubled.has(to.name)
    if (symptom === 'passes' && isNear) passing.set(idOf(from, to.name, family), fact)
  }
  return [...passing.values()].flatMap(({ from, to, family = '', target, symptom, sinceMs, trials, lastMs }) =>
    [...(made.get(idOf(from, family))?.values() ?? [])].flatMap((like) =>
      listed.has(idOf(from, to.name, family, like.check))
        ? []
        : [new Fact(like, { from, to, target, symptom, sinceMs, trials, lastMs })],
    ),
  )
}

function idOf(...parts: readonly string[]): string {
  return JSON.stringify(parts)
}

/**
 * Returns a function that tells whether one of these incidents may be about what a scope contains. Metrics name the kind of its scope, and the
 * nodes only in its sentence: where they cannot be read from that, it is about everything.
 */
function coveredBy(reported: readonly SeenIncident[], nodes: readonly string[]): (scope: Scope) => boolean {
  const known = new Set(nodes)
  const places = reported
    .filter(({ scope: { kind } }) => kind !== 'name-server' && kind !== 'service')
    .map(({ scope: { kind }, summary }) => ({
      isLink: kind === 'link',
      isWide: kind === 'cluster' || kind === 'zone-pair' || kind === 'node-group',
      named: new Set(summary.split(/[^\w.-]+/).filter((word) => known.has(word))),
    }))
  return (scope) => {
    const own = nodesIn(scope)
    return places.some(({ isLink, isWide, named }) => {
      if (isWide || named.size === 0 || own.length === 0) return true
      return isLink && scope.kind === 'link'
        ? own.every((node) => named.has(node))
        : own.some((node) => named.has(node))
    })
  }
}

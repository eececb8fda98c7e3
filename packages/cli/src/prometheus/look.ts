import { compareNames, nodesText, ScoutError } from '@scout/core'
import { exitCodeOf, type Looking, type SeenIncident, type Source } from '../cluster/seen.ts'
import { CommandError, exitCodes } from '../shell/exit-code.ts'
import type { Io } from '../shell/io.ts'
import { type AccessChoice, accessOf } from './access.ts'
import { computedIncidents } from './computed.ts'
import { ask, type Sample } from './query.ts'
import { type AgentGauges, gaugesOf, incidentsIn, rebuiltMesh, reportsOf, seriesOf } from './rebuild.ts'
import { type Ask, agentsQuery, type Labels, readSamples, type Samples } from './samples.ts'

export interface PrometheusChoice extends AccessChoice {
  /** Time to look at (default: now). */
  readonly atMs: number | undefined
  readonly labels: Labels
}

/** A mesh has every pair of nodes. */
const mostNodes = 1_000
/** Over both families, twice the checks of an agent with many of its own. */
const mostOfLink = 500
const mostWarnings = 5
/** An older sample of an agent is remarked on. Intervals of scrapes are a minute at most, nearly everywhere. */
const staleMs = 120_000

/**
 * Returns a function that rebuilds the mesh from the metrics of its agents, as a store has them.
 * @throws {ScoutError} if the flags select no server
 */
export function createPrometheusLooking(choice: PrometheusChoice, io: Io): Looking {
  const access = accessOf(choice, io)
  const { labels, atMs } = choice
  const followed = createFollowed()
  return async (onProgress = () => {}) => {
    onProgress(`asking ${access.server}`)
    const nowMs = atMs ?? Date.now()
    const warnings = new Set<string>()
    const onWarning = (text: string) => warnings.size < mostWarnings && warnings.add(text)
    const askAt = (time: number) => (query: string) => ask({ access, query, atMs: time, signal: io.ended, onWarning })
    const agents = await askAt(nowMs)(agentsQuery(labels))
    if (agents.length === 0) throw await noAgents({ server: access.server, labels, atMs, askNow: askAt(Date.now()) })
    refuseMany(agents.length, 'agents')
    refuseSeveral(agents)
    const samples = await readSamples(askAt(nowMs), labels, agents)
    const reports = reportsOf(samples).toSorted((a, b) => compareNames(a.agent.node, b.agent.node))
    refuseMany(new Set(reports.map(({ agent }) => agent.node)).size, 'nodes')
    refuseLong(samples)
    const gauges = gaugesOf(samples)
    const series = seriesOf(samples, nowMs)
    const mesh = rebuiltMesh({ series, gauges, reports, atMs: nowMs })
    const reported = incidentsIn(samples, nowMs)
    const computed = computedIncidents({ series, gauges, zones: zonesOf(samples), mesh, reported, atMs: nowMs })
    const isSpoken = gauges.some(({ isSpeaking }) => isSpeaking)
    const incidents = followed([...reported, ...computed.incidents], { nowMs, isSpoken })
    const remarks = [
      ...remarksOn(gauges, nowMs),
      ...unlisted(samples, reported),
      ...computed.remarks,
      ...[...warnings].map((text) => `${access.server} warns: ${text}`),
    ]
    const times = gauges.map(({ sampledAtMs }) => sampledAtMs)
    const source: Source = {
      server: access.server,
      atMs: nowMs,
      isPast: atMs !== undefined,
      oldestSampleAtMs: Math.min(...times),
      newestSampleAtMs: Math.max(...times),
      zones: zonesText(samples),
      remarks,
    }
    // Without a diagnosis, or with failures that have no samples, it is not known that all is well.
    const isKnown = isSpoken && gauges.every(({ withheld }) => withheld.failing === 0)
    const exitCode = isKnown ? exitCodeOf({ reports, mesh, incidents }) : exitCodes.failed
    return { reports, mesh, incidents, oddities: [], nowMs, exitCode, source }
  }
}

interface Nobody {
  readonly server: string
  readonly labels: Labels
  readonly atMs: number | undefined
  readonly askNow: Ask
}

async function noAgents({ server, labels, atMs, askNow }: Nobody): Promise<CommandError> {
  const isSelected = Object.keys(labels).length > 0
  const now = atMs === undefined ? [] : await askNow(agentsQuery(labels))
  const what = `${server} has no metrics of Scout${isSelected ? ' with these labels' : ''}`
  const why =
    now.length > 0
      ? `${what} from ${new Date(atMs ?? 0).toISOString()}, but it has some now: that time is before its retention, or Scout was not scraped then`
      : `${what} (scout_build_info): check that it scrapes the agents (monitoring.podMonitor of the chart)${isSelected ? ', and --label' : ''}`
  return new CommandError(exitCodes.failed, why)
}

/** @throws {ScoutError} if there are agents of several clusters, whose nodes may have the same names */
function refuseSeveral(agents: readonly Sample[]): void {
  const clusters = [...new Set(agents.map(({ labels }) => labels['cluster'] ?? ''))].toSorted()
  if (clusters.length < 2) return
  const names = clusters
    .slice(0, 12)
    .map((name) => (name === '' ? 'none' : name))
    .join(', ')
  throw new ScoutError(
    'invalid-option',
    `the label cluster of the agents has ${clusters.length} values (${names}): choose one with --label 'cluster: NAME'`,
  )
}

/** @throws {CommandError} */
function refuseMany(count: number, what: string): void {
  if (count <= mostNodes) return
  const why = `there are samples of ${count} ${what}, and ${mostNodes} can be shown: select less with --label, such as one cluster`
  throw new CommandError(exitCodes.failed, why)
}

/** @throws {CommandError} if there are more checks of one link than agents have */
function refuseLong({ states, waiting, unable }: Samples): void {
  const counts = new Map<string, number>()
  for (const { labels } of [...states, ...waiting, ...unable]) {
    const { source_node: from = '', target_node: to = '' } = labels
    const link = to === '' ? from : `${from} -> ${to}`
    const count = (counts.get(link) ?? 0) + 1
    counts.set(link, count)
    if (count <= mostOfLink) continue
    throw new CommandError(
      exitCodes.failed,
      `${link} has samples of more than ${mostOfLink} checks: select less with --label`,
    )
  }
}

function remarksOn(gauges: readonly AgentGauges[], nowMs: number): readonly string[] {
  const nodesWhere = (is: (agent: AgentGauges) => boolean) => gauges.filter(is).map(({ node }) => node)
  const total = (of: (agent: AgentGauges) => number) => gauges.reduce((sum, agent) => sum + of(agent), 0)
  const speakers = gauges.filter(({ isSpeaking }) => isSpeaking)
  const blind = speakers.filter(({ held, ready }) => held < ready)
  const ready = Math.max(...gauges.map((agent) => agent.ready))
  const stale = nodesWhere(({ sampledAtMs }) => nowMs - sampledAtMs > staleMs)
  const failing = total(({ withheld }) => withheld.failing)
  const other = total(({ withheld }) => withheld.other)
  const beyond = 'no samples of their own (setting metrics.series) and are known by pair of zones only'
  return [
    ...(speakers.length === 0 ? ['no scraped agent spoke for the mesh, so incidents are unknown'] : []),
    ...(speakers.length > 1
      ? [`the mesh was in parts: agents on ${nodesText(speakers.map(({ node }) => node))} spoke, each for its part`]
      : []),
    ...blind.map(
      ({ node, held, ready: all }) =>
        `the incidents are those that the agent on ${node} saw, with the evidence of ${held} of ${all} ready agents`,
    ),
    ...(ready > gauges.length
      ? [`${ready} agents were ready, and ${gauges.length} of them scraped: all else about the others is unknown`]
      : []),
    ...(stale.length > 0 ? [`${nodesText(stale)}: the samples are older than ${staleMs / 60_000} minutes`] : []),
    ...(failing > 0
      ? [
          `${failing} failing checks have ${beyond}: links of ${nodesText(nodesWhere(({ withheld }) => withheld.failing > 0))} may fail though they are shown as ok`,
        ]
      : []),
    ...(other > 0 ? [`${other} checks that do not fail have ${beyond}`] : []),
  ]
}

/** Agents list only the gravest incidents, and count all. */
function unlisted({ gauges }: Samples, reported: readonly SeenIncident[]): readonly string[] {
  const open = gauges.filter(({ labels }) => labels['__name__'] === 'scout_incident_open')
  const more = open.reduce((sum, { value }) => sum + value, 0) - reported.length
  return more > 0 ? [`${more} more incidents are counted, but not listed, by the metrics`] : []
}

function zonesOf({ nodeZones }: Samples): ReadonlyMap<string, string> {
  return new Map(
    nodeZones.flatMap(({ labels: { source_node: node = '', source_zone: zone = '' } }) =>
      zone === '' ? [] : [[node, zone]],
    ),
  )
}

function zonesText({ zones }: Samples): readonly string[] {
  return zones
    .toSorted((a, b) => b.value - a.value)
    .map(({ labels, value }) => {
      const { source_zone: from = '', target_zone: to = '', check = '' } = labels
      const place = to === '' ? from : `${from} -> ${to}`
      const share = value < 0.01 ? 'less than 1' : Math.round(value * 100)
      return `zone ${place === '' ? 'without a name' : place}: ${share} % of the attempts of ${check} failed in the 5 minutes before`
    })
}

/** How long a closed incident is shown. */
const closedMs = 3_600_000

interface Round {
  readonly nowMs: number
  /** Whether an agent spoke: without one, no incident of agents is known to have ended. */
  readonly isSpoken: boolean
}

/** Returns a function that adds to the incidents those that an earlier look found. */
function createFollowed(): (present: readonly SeenIncident[], round: Round) => readonly SeenIncident[] {
  let known: readonly SeenIncident[] = []
  return (present, { nowMs, isSpoken }) => {
    const ids = new Set(present.map(({ id }) => id))
    const earlier = known
      .filter(({ id, closedAtMs }) => !ids.has(id) && nowMs - (closedAtMs ?? nowMs) < closedMs)
      .map(
        (one): SeenIncident =>
          one.state === 'closed' || (!isSpoken && one.isComputed !== true)
            ? one
            : { ...one, state: 'closed', closedAtMs: nowMs },
      )
    known = [...present, ...earlier]
    return known
  }
}

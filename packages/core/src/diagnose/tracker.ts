import { type Evidence, ofSome } from './evidence.ts'
import type { Finding } from './finding.ts'
import { compareIncidents, type Incident, incidentsOf, linksWithin, stateAt } from './incidents.ts'
import { continuedBy, flappingWords, healed, isFlapping, type Outage, outageOf, returnsMs } from './outages.ts'

/*
 * Findings over time. An incident is one trouble: as more of it shows, its cause and scope may change, and its id stays, because the links that
 * fail are the same. It ends when its links pass again; no evidence about them is no recovery.
 */

/** The incidents that one watcher or reader of rows knows. */
export interface Incidents {
  /** Takes the findings at present with the evidence they rest on. */
  update(findings: readonly Finding[], evidence: Evidence): void
  /** Takes the ids of incidents that another watcher publishes, for those that are also known here. */
  adopt(published: readonly Pick<Incident, 'id' | 'scope' | 'state' | 'openedAtMs'>[]): void
  /** Returns the incidents, the gravest first, and those closed in the last hour. */
  all(): readonly Incident[]
}

interface Tracked {
  incident: Incident
  /** Links that failed when it was last found. */
  links: ReadonlySet<string>
  /** Cause and scope of the last round, if they differ from those of the incident. */
  change: string | undefined
  cleanRounds: number
  /** Wall clock of the first of those. */
  cleanSinceMs: number
  /** Whether packets are only lost or late, which takes longer to be sure of. */
  isSoft: boolean
  /** Oldest first. */
  outages: readonly Outage[]
  isFlapping: boolean
  /** Wall clock of the last evidence about its links. */
  seenMs: number
}

/** Rounds and time without the finding after which it has healed: what fails at all shows by the next attempt. */
const hardHeals = { rounds: 2, ms: 3_000 }
const softHeals = { rounds: 2, ms: 30_000 }
/** Time without evidence about its links after which an incident ends. */
const blindMs = 600_000

const closedMs = 3_600_000
const mostClosed = 100
const mostOpen = 200

export function createIncidents(): Incidents {
  let tracked: readonly Tracked[] = []
  let latest: Evidence = { atMs: 0, nodes: [], facts: [] }

  const update: Incidents['update'] = (findings, evidence) => {
    const { atMs } = evidence
    latest = evidence
    const free = new Set(tracked)
    const found = findings.slice(0, mostOpen).map((finding) => ({ finding, links: failingLinks(finding, evidence) }))
    const isMatched = new Set<Finding>()
    const matches: [Found, Tracked][] = []
    // The same finding first: two causes may share a link.
    for (const isMatch of [isSame, isRelated]) {
      for (const one of found) {
        if (isMatched.has(one.finding)) continue
        const known = oldestOf([...free].filter((candidate) => isMatch(one, candidate, atMs)))
        if (known === undefined) continue
        free.delete(known)
        isMatched.add(one.finding)
        matches.push([one, known])
      }
    }
    for (const [one, known] of matches) continueWith(known, one, atMs)
    const taken = new Set(tracked.map(({ incident }) => incident.id))
    const opened = found
      .filter(({ finding }) => !isMatched.has(finding))
      .flatMap((one) => {
        const begun = trackedOf(one, { atMs, taken })
        for (const { incident } of begun) taken.add(incident.id)
        return begun
      })
    const failing = matches.map(([{ links }]) => links)
    for (const one of free) rest(one, { evidence, failing })
    tracked = bounded([...tracked, ...opened], atMs)
  }

  return {
    update,
    adopt(published) {
      const ids = new Set(tracked.map(({ incident }) => incident.id))
      for (const theirs of published) {
        if (theirs.state === 'closed' || ids.has(theirs.id)) continue
        const links = failingLinks(theirs, latest)
        const own = tracked.find(({ incident, links: own }) => incident.state !== 'closed' && isHalfCommon(links, own))
        // All watchers keep the id that is older, and so agree.
        if (own === undefined || isOlder(own.incident, theirs)) continue
        own.incident = { ...own.incident, id: theirs.id, openedAtMs: theirs.openedAtMs }
      }
    },
    all: () => tracked.map(({ incident }) => incident).toSorted(compareIncidents),
  }
}

interface Found {
  readonly finding: Finding
  readonly links: ReadonlySet<string>
}

function failingLinks({ scope }: Pick<Finding, 'scope'>, evidence: Evidence): ReadonlySet<string> {
  const links = linksWithin(scope, evidence)
  return new Set(links.flatMap(({ id, facts }) => (facts.some(({ symptom }) => symptom !== 'passes') ? [id] : [])))
}

function isSame({ finding }: Found, { incident }: Tracked, atMs: number): boolean {
  return nameOf(finding) === nameOf(incident) && !isLongClosed(incident, atMs)
}

/** Whether a finding is what an incident has become: they share half of the links that the smaller one has. */
function isRelated({ links, finding }: Found, known: Tracked, atMs: number): boolean {
  if (isLongClosed(known.incident, atMs)) return false
  if (JSON.stringify(finding.scope) === JSON.stringify(known.incident.scope)) return true
  return isHalfCommon(links, known.links)
}

function isHalfCommon(some: ReadonlySet<string>, others: ReadonlySet<string>): boolean {
  const common = [...some].filter((link) => others.has(link)).length
  return common > 0 && common * 2 >= Math.min(some.size, others.size)
}

function isLongClosed({ closedAtMs }: Incident, atMs: number): boolean {
  return closedAtMs !== undefined && atMs - closedAtMs > returnsMs
}

function oldestOf(candidates: readonly Tracked[]): Tracked | undefined {
  const isClosed = ({ incident }: Tracked) => Number(incident.state === 'closed')
  return candidates.toSorted((a, b) => isClosed(a) - isClosed(b) || a.incident.openedAtMs - b.incident.openedAtMs)[0]
}

function trackedOf(
  { finding, links }: Found,
  { atMs, taken }: { readonly atMs: number; readonly taken: ReadonlySet<string> },
): readonly Tracked[] {
  const isSoft = isSoftly(finding)
  return incidentsOf([finding], { atMs, taken }).map((incident) => ({
    incident,
    links,
    change: undefined,
    cleanRounds: 0,
    cleanSinceMs: 0,
    isSoft,
    outages: [outageOf(finding, atMs)],
    isFlapping: false,
    seenMs: atMs,
  }))
}

function isSoftly({ weights }: Finding): boolean {
  return weights.every(({ symptom }) => ofSome.has(symptom) || symptom === 'passes')
}

/** Continues an incident with what is found now. A new cause or scope counts from its second round. */
function continueWith(known: Tracked, { finding, links }: Found, atMs: number): void {
  const [present] = incidentsOf([finding], { atMs })
  if (present === undefined) return
  const before = known.incident
  known.outages = continuedBy(known.outages, finding, atMs)
  known.links = links
  known.cleanRounds = 0
  known.seenMs = atMs
  known.isFlapping = isFlapping(known.outages, atMs)
  const name = nameOf(finding)
  const isChange = name !== nameOf(before) && !known.isFlapping
  const isSure = known.change === name
  known.change = isChange && !isSure ? name : undefined
  const { id, openedAtMs } = before
  const { closedAtMs: _, ...shown } = isChange && !isSure ? before : present
  if (!isChange || isSure) known.isSoft = isSoftly(finding)
  known.incident = {
    ...shown,
    id,
    openedAtMs,
    state: stateAt(openedAtMs, atMs),
    ...(known.isFlapping ? flappingWords(shown, known) : {}),
  }
}

interface Now {
  readonly evidence: Evidence
  /** Links of the incidents that were found now. */
  readonly failing: readonly ReadonlySet<string>[]
}

/** Takes note that an incident was not found. */
function rest(known: Tracked, { evidence, failing }: Now): void {
  const { incident } = known
  const { atMs, nodes } = evidence
  if (incident.state === 'closed') return
  // Another incident has grown to include it.
  if (failing.some((links) => [...known.links].some((link) => links.has(link)))) return close(known, atMs)
  const isSeen = linksWithin(incident.scope, evidence).some(({ id }) => known.links.has(id))
  const isGone = nodesOf(incident).some((name) => !nodes.some((node) => node.name === name))
  if (isSeen) known.seenMs = atMs
  else if (!isGone && atMs - known.seenMs < blindMs) return
  if (known.cleanRounds++ === 0) known.cleanSinceMs = atMs
  const heals = known.isSoft ? softHeals : hardHeals
  if (known.cleanRounds < heals.rounds || atMs - known.cleanSinceMs < heals.ms) return
  known.outages = healed(known.outages, known.cleanSinceMs)
  if (known.isFlapping && atMs - known.cleanSinceMs < returnsMs) return
  known.isFlapping = false
  close(known, known.cleanSinceMs)
}

function close(known: Tracked, closedAtMs: number): void {
  known.outages = healed(known.outages, closedAtMs)
  known.incident = { ...known.incident, state: 'closed', closedAtMs }
}

function bounded(tracked: readonly Tracked[], atMs: number): readonly Tracked[] {
  const open = tracked.filter(({ incident }) => incident.state !== 'closed')
  const closed = tracked
    .filter(({ incident: { closedAtMs } }) => closedAtMs !== undefined && atMs - closedAtMs < closedMs)
    .toSorted((a, b) => (b.incident.closedAtMs ?? 0) - (a.incident.closedAtMs ?? 0))
  return [...open.slice(0, mostOpen), ...closed.slice(0, mostClosed)]
}

export type IncidentChange = 'opened' | 'changed' | 'closed'

/** An incident, or what is known of it. */
type Seen = Pick<Incident, 'cause' | 'state'> & {
  readonly scope: { readonly kind: string }
  readonly direction?: string | undefined
}

/** Returns what has become of an incident since it was last seen; undefined if nothing that is worth a line in a log. */
export function changeOf(before: Seen | undefined, now: Seen): IncidentChange | undefined {
  const wasOpen = before !== undefined && before.state !== 'closed'
  if (now.state === 'closed') return wasOpen ? 'closed' : undefined
  if (!wasOpen) return 'opened'
  return nameOf(before) === nameOf(now) ? undefined : 'changed'
}

function nameOf({ cause, scope, direction }: Pick<Seen, 'cause' | 'scope' | 'direction'>): string {
  return JSON.stringify([cause, scope, direction])
}

function nodesOf({ scope }: Incident): readonly string[] {
  if (scope.kind === 'link') return [scope.from, scope.to]
  return 'node' in scope ? [scope.node] : []
}

type Aged = Pick<Incident, 'id' | 'openedAtMs'>

function isOlder(a: Aged, b: Aged): boolean {
  return a.openedAtMs < b.openedAtMs || (a.openedAtMs === b.openedAtMs && a.id < b.id)
}

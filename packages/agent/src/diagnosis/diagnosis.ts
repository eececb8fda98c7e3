import {
  createIncidents,
  type Evidence,
  explain,
  type Fact,
  type IncidentChange,
  type RouteRequest,
  type Row,
  speakerOf,
} from '@scout/core'
import type { KnownPeer } from '../peers/roster.ts'
import { createAnnouncements } from './announcements.ts'
import { type Answer, mostIncidents, type ShownIncident, shownIncident } from './answer.ts'
import { createGather, type GatherOptions } from './gather.ts'
import { createHoldings } from './holdings.ts'
import { createIntake } from './intake.ts'
import { clocksOf, evidenceFrom, type Joined, momentFrom } from './joined.ts'
import type { Message } from './message.ts'
import { type Report, reportOf } from './report.ts'
import { sightText } from './sight.ts'
import { createTimeline, type Timeline } from './timeline.ts'

/** Who speaks for the mesh, and which agents hold its evidence. */
export interface Speaker {
  /** Node of the watcher that speaks, as far as this agent knows; undefined while none is known. */
  readonly speaker: string | undefined
  readonly isSpeaking: boolean
  /** Nodes of the watchers that this agent can reach, by rank; it may be one of them. */
  readonly watchers: readonly string[]
}

/** What this agent knows of the mesh: by itself, if it is a watcher; otherwise from the watcher that speaks. */
export interface MeshView extends Speaker {
  /** Rows that this agent holds, its own included, of how many ready agents. */
  readonly rows: number
  readonly ready: number
  /** Ready agents whose rows are missing here, and wall clock since when. Every agent but a watcher lacks most. */
  readonly missing: readonly { readonly node: string; readonly sinceMs: number }[]
  readonly incidents: readonly ShownIncident[]
  readonly evidence: Evidence
}

export interface DiagnosisOptions extends Omit<GatherOptions, 'peers' | 'monotonicMs'> {
  readonly row: () => Row
  /** Returns whether any series fails, without making the row. */
  readonly isFailing: () => boolean
  readonly peers: () => Iterable<KnownPeer>
  /** Called by the watcher that speaks, with a remark on what it does not see. */
  readonly onIncident: (change: IncidentChange, incident: ShownIncident, sight: string) => void
  /** Called in each round with the incidents that are known of, and what the own row shows. */
  readonly onRound: (incidents: readonly ShownIncident[], report: Report) => void
  readonly onDefect: (error: unknown) => void
  readonly spans?: Partial<DiagnosisSpans> | undefined
}

export interface DiagnosisSpans {
  readonly roundMs: number
  readonly quietMs: number
}

/** Diagnoses the mesh together with other agents: sends evidence to the watchers, and as one of them explains it. */
export interface Diagnosis {
  start(): void
  stop(): void
  receive(request: RouteRequest): Promise<Answer>
  view(): MeshView
  speaker(): Speaker
  /** What this agent remembers as a watcher; others remember nothing. */
  readonly timeline: Timeline
  /** Returns texts that differ when the incidents of `view`, or the states of links that watchers see, have changed. */
  changes(): { readonly links: string; readonly incidents: string }
  /** Returns what the agent's row says of it. */
  report(): Row['diagnosis']
}

/** Time between rounds while something is not well, and between messages while everything is. */
const usualSpans: DiagnosisSpans = { roundMs: 2_000, quietMs: 10_000 }
/**
 * Messages that a watcher gets per millisecond at most: where everything fails, and where all is well, when the time between messages of one
 * agent grows with the mesh up to a limit, beyond which its silence would say too little. A message costs a watcher about a millisecond.
 */
const urgentPerMs = 0.25
const quietPerMs = 0.001_6
const quietMostMs = 30_000
/** How long a watcher that takes over continues the ids of the one before. */
const heritageMs = 120_000

/** After explaining, so many times as long is spent on other things: the evidence of a large mesh is much work. */
const pause = 10

const mostOpenShown = 64
const mostClosedShown = mostIncidents - mostOpenShown

export function createDiagnosis(options: DiagnosisOptions): Diagnosis {
  const { self, peers, onIncident, onDefect } = options
  const { roundMs, quietMs } = { ...usualSpans, ...options.spans }
  const holdings = createHoldings()
  const incidents = createIncidents()
  const gather = createGather(options)
  const intake = createIntake({ ...options, onMessage: (message) => take(message) })
  const announcements = createAnnouncements((change, incident) => onIncident(change, incident, sight))
  const timeline = createTimeline()
  const missingSinceMs = new Map<string, number>()
  let sight = ''
  let heritage: { readonly atMs: number; readonly incidents: readonly ShownIncident[] } | undefined
  let shown: readonly ShownIncident[] = []
  let shownText = '[]'
  let version = 0
  let isSpeaking = false
  /** Monotonic clock before which nothing is explained again. */
  let pausedUntilMs = 0
  let wasUrgent = false
  let sentMs = Number.NEGATIVE_INFINITY
  let timer: NodeJS.Timeout | undefined
  let isRunning = false

  const readyNodes = () =>
    new Set([self.node, ...[...peers()].flatMap(({ node, state }) => (state === 'ready' ? [node] : []))])

  const presentVersion = () => `${self.process.slice(0, 8)} ${version}`

  const take = (message: Message): Answer | 'stale' => {
    const taken = holdings.take(message, Date.now())
    if (taken === 'stale') return taken
    const present = presentVersion()
    return {
      accepted: true,
      needsBase: taken === 'needs-base',
      rows: heldNow().size + 1,
      speaks: isSpeaking,
      version: present,
      changes: `${self.process.slice(0, 8)} ${timeline.changes}`,
      ...(message.seen === present ? {} : { incidents: shown }),
    }
  }

  /** Returns fresh evidence of ready agents. */
  const heldNow = () => {
    const ready = readyNodes()
    return new Map([...holdings.fresh()].filter(([node]) => node !== self.node && ready.has(node)))
  }

  const joinedNow = (row: Row, report: Report): Joined => ({ row, report, held: heldNow(), ready: readyNodes() })

  const noteMissing = () => {
    const held = heldNow()
    const ready = readyNodes()
    for (const node of missingSinceMs.keys()) if (!ready.has(node) || held.has(node)) missingSinceMs.delete(node)
    for (const node of ready)
      if (node !== self.node && !held.has(node) && !missingSinceMs.has(node)) missingSinceMs.set(node, Date.now())
    return { rows: held.size + 1, ready: ready.size }
  }

  const publish = () => {
    const all = incidents.all().map(shownIncident)
    const next = [
      ...all.filter(({ state }) => state !== 'closed').slice(0, mostOpenShown),
      ...all.filter(({ state }) => state === 'closed').slice(0, mostClosedShown),
    ]
    const text = JSON.stringify(next)
    if (text === shownText) return
    shown = next
    shownText = text
    version++
  }

  const isWorthExplaining = (row: Row, { troubled }: Report): boolean => {
    if (performance.now() < pausedUntilMs) return false
    if (troubled.size > 0 || incidents.all().length > 0) return true
    const held = heldNow()
    return [...held.values()].some(({ troubled }) => troubled.length > 0) || clocksOf(row, held).some(isTrouble)
  }

  const update = (evidence: Evidence) => {
    const startMs = performance.now()
    incidents.update(evidence.facts.some(isTrouble) ? explain(evidence) : [], evidence)
    const endMs = performance.now()
    pausedUntilMs = endMs + (endMs - startMs) * pause
  }

  /** Explains what this watcher sees, and speaks if no other watcher sees more. */
  const watch = (row: Row, report: Report) => {
    const { rows, ready } = noteMissing()
    timeline.note(momentFrom(joinedNow(row, report)))
    if (isWorthExplaining(row, report)) update(evidenceFrom(joinedNow(row, report)))
    const sights = gather.sights({ node: self.node, rows })
    if (sights !== undefined) isSpeaking = speakerOf(sights, ready) === self.node
    const published = gather.published()
    const nowMs = performance.now()
    if (!isSpeaking && published !== undefined) heritage = { atMs: nowMs, incidents: published.incidents }
    // The one that spoke may have fallen silent as soon as this one came back.
    if (heritage === undefined && isSpeaking) heritage = { atMs: nowMs, incidents: gather.inherited() }
    if (heritage !== undefined && nowMs - heritage.atMs < heritageMs) incidents.adopt(heritage.incidents)
    publish()
    sight = sightText({ rows, ready, missing: [...missingSinceMs.keys()] })
    if (isSpeaking) announcements.report(shown, heritage?.incidents ?? [])
    else if (published !== undefined) announcements.follow(published.incidents)
  }

  const publishedByOther = () => (isSpeaking ? undefined : gather.published())

  const round = async () => {
    const ready = readyNodes().size
    const isWatcher = gather.watchers().includes(self.node)
    const isOpen = shown.some(({ state }) => state !== 'closed')
    const isHeldTroubled = isWatcher && [...heldNow().values()].some(({ troubled }) => troubled.length > 0)
    const isUrgent = options.isFailing() || isHeldTroubled || (isWatcher && isOpen)
    const nextMs = isUrgent
      ? Math.max(roundMs, ready / urgentPerMs)
      : Math.max(quietMs, Math.min(quietMostMs, ready / quietPerMs))
    // The first quiet round after trouble tells that it is over.
    const isDue = performance.now() - sentMs >= nextMs - roundMs / 2 || (wasUrgent && !isUrgent)
    if (!isDue) return
    wasUrgent = isUrgent
    sentMs = performance.now()
    holdings.keep(readyNodes())
    const row = options.row()
    const report = reportOf(row)
    await gather.send(report, nextMs)
    if (!isRunning) return
    if (isWatcher) {
      watch(row, report)
    } else {
      isSpeaking = false
      timeline.pause()
    }
    options.onRound(publishedByOther()?.incidents ?? shown, report)
  }

  const run = async () => {
    try {
      await round()
    } catch (error) {
      onDefect(error)
    }
    if (isRunning) timer = setTimeout(() => void run(), roundMs)
  }

  const speaker = (): Speaker => ({
    speaker: isSpeaking ? self.node : gather.published()?.by,
    isSpeaking,
    watchers: gather.watchers(),
  })

  return {
    receive: intake.receive,
    timeline,
    start() {
      isRunning = true
      // Agents that start together do not all send at the same moments.
      timer = setTimeout(() => void run(), Math.random() * roundMs)
    },
    stop() {
      isRunning = false
      clearTimeout(timer)
    },
    speaker,
    changes() {
      const published = publishedByOther()
      return {
        links: `${timeline.changes} ${published?.changes ?? ''}`,
        incidents: published === undefined ? presentVersion() : `${published.by} ${published.version}`,
      }
    },
    view() {
      const { rows, ready } = noteMissing()
      const row = options.row()
      const published = publishedByOther()
      return {
        ...speaker(),
        rows,
        ready,
        missing: [...missingSinceMs].map(([node, sinceMs]) => ({ node, sinceMs })),
        incidents: published?.incidents ?? shown,
        evidence: evidenceFrom(joinedNow(row, reportOf(row))),
      }
    },
    report() {
      const open = shown.filter(({ state }) => isSpeaking && state !== 'closed')
      return {
        isSpeaking,
        rows: heldNow().size + 1,
        ready: readyNodes().size,
        incidents: open.map(({ id, cause, scope, severity, summary }) => ({
          id,
          cause,
          scope: scope.kind,
          severity,
          summary,
        })),
        sent: { ...gather.sent },
        received: { ...intake.counters },
      }
    },
  }
}

function isTrouble({ symptom }: Fact): boolean {
  return symptom !== 'passes'
}

import type { Family, Row, Self } from '@scout/core'
import { createAttempts } from './attempts.ts'
import type { Config } from './config/config.ts'
import { createCollection } from './diagnosis/collection.ts'
import { createDiagnosis, type DiagnosisSpans, type MeshView, type Speaker } from './diagnosis/diagnosis.ts'
import { post } from './diagnosis/post.ts'
import type { Timeline } from './diagnosis/timeline.ts'
import type { AgentEvents } from './events.ts'
import { arrivalsOf } from './memory/arrivals.ts'
import { type History, type HistoryQuery, historyOf } from './memory/history.ts'
import { createHistoryFile } from './memory/history-file.ts'
import { createLatenessWatch } from './memory/lateness.ts'
import { createMemory } from './memory/memory.ts'
import { type AgentRow, rowOf } from './memory/row.ts'
import { troubledNodes } from './memory/series.ts'
import { createAsking } from './peers/ask.ts'
import { createDnsPods } from './peers/dns-pods.ts'
import { takeLeave } from './peers/goodbye.ts'
import { createGreeter } from './peers/greeter.ts'
import { askGreeting } from './peers/greeting.ts'
import type { Discovery, Knowledge } from './peers/knowledge.ts'
import { baseUrl } from './peers/reach.ts'
import { createRequestHandler, peerBodies, peerPaths } from './peers/requests.ts'
import { createRoster, type RosterOptions } from './peers/roster.ts'
import { createPlanning } from './plan/planning.ts'
import type { Vantage } from './vantage/vantage.ts'
import { createVantages, type StartVantage } from './vantage/vantages.ts'

export interface AgentParts {
  readonly self: Self
  /** Random id of this process; distinguishes it from others of the same name. */
  readonly process: string
  /** Wall clock. */
  readonly startedAtMs: number
  /** Secret shared by all agents, which signs goodbyes and evidence; empty if there is none. */
  readonly key: string
  readonly families: ReadonlySet<Family>
  readonly discovery: Discovery
  readonly config: Pick<Config, 'checks' | 'probedNodes' | 'maxInFlight' | 'settleMs' | 'graceMs'>
  /** File that keeps the history across restarts. */
  readonly historyFile?: string | undefined
  readonly startVantage: StartVantage
  readonly events: AgentEvents
  /** Returns a document for a peer, compressed; undefined if there is no such one. An agent without a console has none. */
  readonly documentFor?: (question: URLSearchParams) => Promise<Buffer | undefined>
  readonly spans?: (NonNullable<RosterOptions['spans']> & Partial<DiagnosisSpans>) | undefined
}

/** Health of this agent, independent of its peers. */
export interface Health extends Pick<Row, 'isReady' | 'knowledge'> {
  /** Every vantage answered its last heartbeat, or the heartbeat is not overdue yet. */
  readonly isAlive: boolean
}

/** One agent: discovers peers, probes them, answers their probes, and keeps the results. */
export interface Agent {
  /** Resolves to the vantage of its pod once the agent is running. */
  start(): Promise<Pick<Vantage, 'port' | 'failed'>>
  row(): AgentRow
  /** Returns what is known of the whole mesh. */
  mesh(): MeshView
  history(query: HistoryQuery): History
  /** Returns texts that differ when the states of links, or incidents, have changed. It is cheap. */
  changes(): { readonly links: string; readonly incidents: string }
  /** Returns who speaks for the mesh. It is cheap. */
  speaker(): Speaker
  /** What this agent remembers of the mesh as a watcher. */
  readonly timeline: Pick<Timeline, 'span' | 'at'>
  /** Whether there is a ready peer on a node. */
  hasPeerOn(node: string): boolean
  /** Asks the agent of a node for a document. Resolves to its answer as text; to undefined if there is none. */
  ask(node: string, question: URLSearchParams): Promise<string | undefined>
  health(): Health
  /** Stops probing, says goodbye to every peer, keeps answering for the grace period, then stops. */
  stop(): Promise<void>
}

/** A vantage whose heartbeat is overdue by this much is stuck. */
const silentMostMs = 30_000

/** In the agent's own reading of its row, which the console is not part of. */
const noRequests = { answered: 0, rejected: 0, unsent: 0 }

export function createAgent(parts: AgentParts): Agent {
  const { self, process, startedAtMs, key, discovery, families, events, spans } = parts
  const { checks, probedNodes, maxInFlight, settleMs, graceMs } = parts.config
  const caller = { ...self, process, startedAtMs }
  const memory = createMemory()
  const historyFile =
    parts.historyFile === undefined
      ? undefined
      : createHistoryFile({ path: parts.historyFile, node: self.node, memory, onTrouble: events.historyTroubled })
  const roster = createRoster({
    isSelf: ({ name, namespace, addresses, port }) =>
      (name === self.name && namespace === self.namespace) ||
      // With host networking, the host name is that of the node, not of the pod.
      (port === vantages.get('pod')?.port && addresses.some((address) => self.addresses.includes(address))),
    onChange(change) {
      change.disturbed.forEach(attempts.disturb)
      dnsPods.refresh()
      planning.request()
      rosterChanges++
      events.rosterChanged(change, [...roster.peers.values()])
    },
    spans,
  })
  const selfNow = () => ({ ...self, zone: self.zone ?? roster.own?.zone })
  const vantages = createVantages(parts.startVantage, {
    paths: peerPaths,
    bodies: peerBodies,
    onRequest: createRequestHandler({
      roster,
      ownGreeting: () => ({ ...selfNow(), process, startedAtMs }),
      key,
      // It listens by now.
      onHello: ({ id }) => greeter.hurry(id),
      onEvidence: (request) => diagnosis.receive(request),
      onAsked: (request) => asking.answer(request),
    }),
    onResults: (results) => attempts.receive(results),
    maxInFlight,
  })
  const attempts = createAttempts({
    vantages,
    memory,
    settleMs,
    peerOf: (id) => roster.peers.get(id) ?? dnsPods.asked.get(id),
    onAttempted: events.attempted,
    onDefect: events.defect,
  })
  const greeter = createGreeter({
    async ask(peer) {
      const base = baseUrl(peer, self)
      const vantage = vantages.get('pod')
      return base === undefined || vantage === undefined ? 'unreached' : askGreeting(vantage.prober, base, caller)
    },
    onMet(peer, greeting) {
      roster.met(peer, greeting)
      if (greeting === undefined) return
      // The greeting contains the addresses of its node.
      if (checks.some(({ path }) => path === 'node')) planning.request()
      events.greeted(peer, greeting)
    },
    onDefect: events.defect,
  })

  const asking = createAsking({
    self: { ...self, process, startedAtMs },
    key,
    peers: () => roster.peers.values(),
    answer: parts.documentFor ?? (async () => undefined),
  })
  const latenessWatch = createLatenessWatch({ schedule: vantages.schedule, silentMs: vantages.silentMs })
  const collection = createCollection({
    self,
    key,
    families,
    probedNodes,
    zone: () => selfNow().zone,
    peers: () => roster.peers.values(),
    prober() {
      const vantage = vantages.get('pod')
      return vantage?.hasThread === true ? vantage.prober : undefined
    },
    onDefect: events.defect,
  })
  const diagnosis = createDiagnosis({
    self: { ...self, process, startedAtMs },
    key,
    post,
    zone: () => selfNow().zone,
    peers: () => roster.peers.values(),
    row: () => ({ ...row(), console: noRequests, logLinesLost: 0 }),
    isFailing: () => [...memory.series].some(({ isFailing }) => isFailing),
    onIncident: events.incidentChanged,
    onRound: collection.consider,
    onDefect: events.defect,
    spans,
  })
  let isStopping = false
  let rosterChanges = 0
  let opened: Promise<Vantage> | undefined
  let stopped: Promise<void> | undefined

  const dnsPods = createDnsPods({
    node: self.node,
    roster,
    failing: () => troubledNodes(memory.series, 'dns-pods'),
    onDisturbed: attempts.disturb,
  })
  const planning = createPlanning({
    checks,
    probedNodes,
    families,
    node: self.node,
    roster,
    dnsPods,
    failing: () => troubledNodes(memory.series, 'links'),
    onPlan(tasks) {
      attempts.setTasks(tasks)
      greeter.setPeers(roster.peers.values())
    },
  })

  const learn = (knowledge: Knowledge) => {
    const { trouble, heardAtMs } = roster.knowledge
    roster.update(knowledge)
    if (dnsPods.update(knowledge.dnsPods ?? [])) planning.request()
    // The first plan was made without any peers, and checks of a service may have to wait for them.
    if (heardAtMs === 0) planning.hurry()
    if (knowledge.trouble !== trouble) events.discoveryTroubled(knowledge.trouble, roster.knowledge)
  }

  const health = () => ({
    isAlive: vantages.silentMs() < silentMostMs,
    isReady: vantages.get('pod') !== undefined && roster.knowledge.heardAtMs !== 0 && !isStopping,
    knowledge: roster.knowledge,
  })

  const row = () => {
    memory.forget(performance.now())
    const takenAtMs = Date.now()
    return rowOf({
      takenAtMs,
      startedAtMs,
      self: selfNow(),
      isReady: health().isReady,
      families,
      checks,
      settleMs,
      tasks: planning.tasks,
      sample: planning.sample,
      roster,
      memory,
      vantages: vantages.reports(),
      arrivals: arrivalsOf(vantages.get('pod')?.arrivals(), { takenAtMs, self, peers: roster.peers.values() }),
      schedule: vantages.schedule(),
      lateness: latenessWatch.lateness(),
      held: attempts.held,
      greetings: greeter.counters,
      diagnosis: diagnosis.report(),
      collected: collection.collected,
      history: historyFile?.report,
    })
  }

  const end = async () => {
    isStopping = true
    diagnosis.stop()
    collection.stop()
    discovery.stop()
    planning.stop()
    greeter.stop()
    attempts.stop()
    latenessWatch.stop()
    // A vantage that is still opening must be closed, too; if opening fails, `start` rejects.
    await opened?.catch(() => {})
    const vantage = vantages.get('pod')
    try {
      await Promise.all([
        historyFile?.stop(),
        vantage && takeLeave({ ...vantage, self: caller, key, graceMs }, roster.peers.values()),
      ])
    } finally {
      await vantages.close()
      roster.stop()
    }
  }

  return {
    async start() {
      opened = vantages.open('pod')
      const [started] = await Promise.all([opened, historyFile?.start()])
      if (isStopping) return started
      events.answering(started.port)
      planning.request()
      diagnosis.start()
      await discovery.start(learn)
      return started
    },
    health,
    row,
    ask: (node, question) => asking.ask(node, question),
    mesh: () => diagnosis.view(),
    speaker: () => diagnosis.speaker(),
    timeline: diagnosis.timeline,
    hasPeerOn: (node) => [...roster.peers.values()].some((peer) => peer.node === node && peer.state === 'ready'),
    changes() {
      const { links, incidents } = diagnosis.changes()
      return { links: [process.slice(0, 8), memory.changes, rosterChanges, links].join(' '), incidents }
    },
    history: (query) => historyOf(memory, query, Date.now()),
    stop() {
      stopped ??= end()
      return stopped
    },
  }
}

import { setTimeout as sleep } from 'node:timers/promises'
import type { AnyResult, Family, IncidentChange, Row, Self } from '@scout/core'
import { createAttempts } from './attempts.ts'
import type { Config } from './config/config.ts'
import type { ShownIncident } from './diagnosis/answer.ts'
import { createDiagnosis, type DiagnosisSpans, type MeshView } from './diagnosis/diagnosis.ts'
import { post } from './diagnosis/post.ts'
import { type HistoryQuery, historyOf, type SeriesHistory } from './memory/history.ts'
import { createLatenessWatch } from './memory/lateness.ts'
import { createMemory, type Recorded } from './memory/memory.ts'
import { type AgentRow, rowOf } from './memory/row.ts'
import { sayGoodbye } from './peers/goodbye.ts'
import { createGreeter } from './peers/greeter.ts'
import { askGreeting, type Greeting } from './peers/greeting.ts'
import type { Discovery, Knowledge } from './peers/knowledge.ts'
import type { Peer } from './peers/peer.ts'
import { baseUrl } from './peers/reach.ts'
import { createRequestHandler, peerBodies, peerPaths } from './peers/requests.ts'
import { createRoster, type KnownPeer, type RosterChange, type RosterOptions } from './peers/roster.ts'
import { createPaced } from './plan/paced.ts'
import { type PlannedTask, planTasks } from './plan/plan.ts'
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
  readonly config: Pick<Config, 'checks' | 'maxInFlight' | 'settleMs' | 'graceMs'>
  readonly startVantage: StartVantage
  readonly events: AgentEvents
  readonly spans?: (NonNullable<RosterOptions['spans']> & Partial<DiagnosisSpans>) | undefined
}

/** What an agent reports while it runs, for the log. */
export interface AgentEvents {
  /** The responder has started to answer peers, on this port. */
  answering(port: number): void
  rosterChanged(change: RosterChange, peers: readonly KnownPeer[]): void
  greeted(peer: Peer, greeting: Greeting): void
  /** Discovery has a new problem, or (undefined) has recovered. */
  discoveryTroubled(trouble: string | undefined, knowledge: Omit<Knowledge, 'peers'>): void
  attempted(task: PlannedTask, result: AnyResult, recorded: Recorded): void
  /** An incident of the mesh has changed, and this agent speaks for the mesh. `sight`: how much of it this agent sees. */
  incidentChanged(change: IncidentChange, incident: ShownIncident, sight: string): void
  defect(error: unknown): void
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
  history(query: HistoryQuery): readonly SeriesHistory[]
  health(): Health
  /** Stops probing, says goodbye to every peer, keeps answering for the grace period, then stops. */
  stop(): Promise<void>
}

/** A vantage whose heartbeat is overdue by this much is stuck. */
const silentMostMs = 30_000

/** How long goodbyes may take, whose own timeout is shorter. */
const goodbyesMostMs = 2_000

/** In the agent's own reading of its row, which the console is not part of. */
const noRequests = { answered: 0, rejected: 0, unsent: 0 }

export function createAgent(parts: AgentParts): Agent {
  const { self, process, startedAtMs, key, discovery, families, events, spans } = parts
  const { checks, maxInFlight, settleMs, graceMs } = parts.config
  const caller = { ...self, process, startedAtMs }
  const memory = createMemory()
  const roster = createRoster({
    isSelf: ({ name, namespace, addresses, port }) =>
      (name === self.name && namespace === self.namespace) ||
      // With host networking, the host name is that of the node, not of the pod.
      (port === vantages.get('pod')?.port && addresses.some((address) => self.addresses.includes(address))),
    onChange(change) {
      change.disturbed.forEach(attempts.disturb)
      planning.request()
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
    }),
    onResults: (results) => attempts.receive(results),
    maxInFlight,
  })
  const attempts = createAttempts({
    vantages,
    memory,
    settleMs,
    peerOf: (id) => roster.peers.get(id),
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

  const latenessWatch = createLatenessWatch({ schedule: vantages.schedule, silentMs: vantages.silentMs })
  const diagnosis = createDiagnosis({
    self: { ...self, process, startedAtMs },
    key,
    post,
    zone: () => selfNow().zone,
    peers: () => roster.peers.values(),
    row: () => ({ ...row(), console: noRequests, logLinesLost: 0 }),
    isFailing: () => [...memory.series].some(({ isFailing }) => isFailing),
    onIncident: events.incidentChanged,
    onDefect: events.defect,
    spans,
  })

  let tasks: readonly PlannedTask[] = []
  let isStopping = false
  /** The agents that started together with this one, of which a service may be made, listen or have had the time to. */
  let haveListened = false
  let opened: Promise<Vantage> | undefined
  let stopped: Promise<void> | undefined

  const planning = createPaced(() => {
    if (isStopping) return
    const isAwaiting = [...roster.peers.values()].some(({ isAwaited }) => isAwaited === true)
    haveListened ||= roster.knowledge.heardAtMs !== 0 && !isAwaiting
    const isEarly = isAwaiting && !haveListened
    tasks = planTasks({ checks, peers: roster.peers.values(), families, from: self.node, isEarly })
    attempts.setTasks(tasks)
    greeter.setPeers(roster.peers.values())
  })

  const learn = (knowledge: Knowledge) => {
    const { trouble, heardAtMs } = roster.knowledge
    roster.update(knowledge)
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
    return rowOf({
      takenAtMs: Date.now(),
      startedAtMs,
      self: selfNow(),
      isReady: health().isReady,
      families,
      checks,
      settleMs,
      tasks,
      roster,
      memory,
      vantages: vantages.reports(),
      schedule: vantages.schedule(),
      lateness: latenessWatch.lateness(),
      held: attempts.held,
      greetings: greeter.counters,
      diagnosis: diagnosis.report(),
    })
  }

  const end = async () => {
    isStopping = true
    diagnosis.stop()
    discovery.stop()
    planning.stop()
    greeter.stop()
    attempts.stop()
    latenessWatch.stop()
    // A vantage that is still opening must be closed, too; if opening fails, `start` rejects.
    await opened?.catch(() => {})
    const vantage = vantages.get('pod')
    try {
      if (vantage !== undefined) await takeLeave(vantage)
    } finally {
      await vantages.close()
      roster.stop()
    }
  }

  const takeLeave = async ({ prober }: Vantage) => {
    const goodbyes = sayGoodbye({ prober, self: caller, key }, roster.peers.values())
    // A stuck probe thread sends none.
    const received = await Promise.race([goodbyes, sleep(goodbyesMostMs, 0, { ref: false })])
    // Peers may have attempts in flight; without peers there is nothing to wait for.
    if (received > 0) await sleep(graceMs)
  }

  return {
    async start() {
      opened = vantages.open('pod')
      const started = await opened
      if (isStopping) return started
      events.answering(started.port)
      planning.request()
      diagnosis.start()
      await discovery.start(learn)
      return started
    },
    health,
    row,
    mesh: () => diagnosis.view(),
    history: (query) => historyOf(memory, query, Date.now()),
    stop() {
      stopped ??= end()
      return stopped
    },
  }
}

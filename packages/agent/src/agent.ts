import { setTimeout as sleep } from 'node:timers/promises'
import type { AnyResult, Family, Row, Self } from '@scout/core'
import { createAttempts } from './attempts.ts'
import type { Config } from './config/config.ts'
import { type HistoryQuery, historyOf, type SeriesHistory } from './memory/history.ts'
import { createMemory, type Recorded } from './memory/memory.ts'
import { rowOf } from './memory/row.ts'
import { sayGoodbye } from './peers/goodbye.ts'
import { createGreeter } from './peers/greeter.ts'
import { askGreeting, type Greeting } from './peers/greeting.ts'
import type { Discovery, Knowledge } from './peers/knowledge.ts'
import type { Peer } from './peers/peer.ts'
import { baseUrl } from './peers/reach.ts'
import { createRequestHandler, peerPaths } from './peers/requests.ts'
import { createRoster, type RosterChange } from './peers/roster.ts'
import { type PlannedTask, planTasks } from './plan/plan.ts'
import type { Vantage } from './vantage/vantage.ts'
import { createVantages, type StartVantage } from './vantage/vantages.ts'

export interface AgentParts {
  readonly self: Self
  /** Wall clock; distinguishes this process from earlier ones of the same name. */
  readonly startedAtMs: number
  readonly families: ReadonlySet<Family>
  readonly discovery: Discovery
  readonly config: Pick<Config, 'checks' | 'maxInFlight' | 'settleMs' | 'graceMs'>
  readonly startVantage: StartVantage
  readonly events: AgentEvents
}

/** What an agent reports while it runs, for the log. */
export interface AgentEvents {
  /** The responder has started to answer peers, on this port. */
  answering(port: number): void
  rosterChanged(change: RosterChange, peers: readonly Peer[]): void
  greeted(peer: Peer, greeting: Greeting): void
  /** Discovery has a new problem, or (undefined) has recovered. */
  discoveryTroubled(trouble: string | undefined, knowledge: Omit<Knowledge, 'peers'>): void
  attempted(task: PlannedTask, result: AnyResult, recorded: Recorded): void
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
  row(): Row
  history(query: HistoryQuery): readonly SeriesHistory[]
  health(): Health
  /** Stops probing, says goodbye to every peer, keeps answering for the grace period, then stops. */
  stop(): Promise<void>
}

/** A vantage whose heartbeat is overdue by this much is stuck. */
const silentMostMs = 30_000

/** How long goodbyes may take, whose own timeout is shorter. */
const goodbyesMostMs = 2_000

export function createAgent(parts: AgentParts): Agent {
  const { self, startedAtMs, discovery, families, events } = parts
  const { checks, maxInFlight, settleMs, graceMs } = parts.config
  const caller = { ...self, startedAtMs }
  const memory = createMemory()
  const roster = createRoster({
    isSelf: ({ name, namespace, addresses, port }) =>
      (name === self.name && namespace === self.namespace) ||
      // With host networking, the host name is that of the node, not of the pod.
      (port === vantages.get('pod')?.port && addresses.some((address) => self.addresses.includes(address))),
    onChange(change) {
      change.disturbed.forEach(attempts.disturb)
      plan()
      events.rosterChanged(change, [...roster.peers.values()])
    },
  })
  const selfNow = () => ({ ...self, zone: self.zone ?? roster.own?.zone })
  const vantages = createVantages(parts.startVantage, {
    paths: peerPaths,
    onRequest: createRequestHandler(roster, () => ({ ...selfNow(), startedAtMs })),
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
      return base === undefined || vantage === undefined ? 'silent' : askGreeting(vantage.prober, base, caller)
    },
    onGreeting(peer, greeting) {
      roster.greeted(peer, greeting)
      // The greeting contains the addresses of its node.
      if (checks.some(({ path }) => path === 'node')) plan()
      events.greeted(peer, greeting)
    },
    onDefect: events.defect,
  })

  let tasks: readonly PlannedTask[] = []
  let isStopping = false
  let opened: Promise<Vantage> | undefined
  let stopped: Promise<void> | undefined

  const plan = () => {
    if (isStopping) return
    tasks = planTasks({ checks, peers: roster.peers.values(), families, from: self.node })
    attempts.setTasks(tasks)
    greeter.setPeers(roster.peers.values())
  }

  const learn = (knowledge: Knowledge) => {
    const { trouble } = roster.knowledge
    roster.update(knowledge)
    if (knowledge.trouble !== trouble) events.discoveryTroubled(knowledge.trouble, roster.knowledge)
  }

  const health = () => ({
    isAlive: vantages.silentMs() < silentMostMs,
    isReady: vantages.get('pod') !== undefined && roster.knowledge.heardAtMs !== 0 && !isStopping,
    knowledge: roster.knowledge,
  })

  const end = async () => {
    isStopping = true
    discovery.stop()
    greeter.stop()
    attempts.stop()
    // A vantage that is still opening must be closed, too; if opening fails, `start` rejects.
    await opened?.catch(() => {})
    const vantage = vantages.get('pod')
    if (vantage === undefined) return
    try {
      const goodbyes = sayGoodbye(vantage.prober, caller, roster.peers.values())
      // A stuck probe thread sends none.
      const received = await Promise.race([goodbyes, sleep(goodbyesMostMs, 0, { ref: false })])
      // Peers may have attempts in flight; without peers there is nothing to wait for.
      if (received > 0) await sleep(graceMs)
    } finally {
      await vantages.close()
    }
  }

  return {
    async start() {
      opened = vantages.open('pod')
      const started = await opened
      if (isStopping) return started
      events.answering(started.port)
      plan()
      await discovery.start(learn)
      return started
    },
    health,
    row() {
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
        held: attempts.held,
        greetings: greeter.counters,
      })
    },
    history: (query) => historyOf(memory, query, Date.now()),
    stop() {
      stopped ??= end()
      return stopped
    },
  }
}

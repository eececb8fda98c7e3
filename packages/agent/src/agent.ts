import { setTimeout as sleep } from 'node:timers/promises'
import { type AnyResult, commonOptions, type Family, type Protocol, type RouteRequest, type Stray } from '@scout/core'
import { createLedger, type Recorded, type Series, type SeriesKey } from './memory/ledger.ts'
import { createSettlement } from './memory/settlement.ts'
import { type Snapshot, type StrayCounts, viewSince } from './memory/snapshot.ts'
import { goodbyePath, sayGoodbye } from './peers/goodbye.ts'
import { createGreeter } from './peers/greeter.ts'
import { askGreeting, baseOf, callerOf, type Greeting, greetingPath } from './peers/greeting.ts'
import type { Discovery, Knowledge } from './peers/knowledge.ts'
import type { Peer } from './peers/peer.ts'
import { createRoster, type RosterChange } from './peers/roster.ts'
import type { Self } from './peers/self.ts'
import type { Check } from './plan/check.ts'
import { planSeries } from './plan/plan.ts'
import { createSchedule, type Task } from './plan/schedule.ts'
import { ableProbes } from './vantage/able-probes.ts'
import type { Vantage, VantageOptions } from './vantage/vantage.ts'

export interface AgentParts {
  readonly self: Self
  /** Wall clock; tells this process from earlier ones of the same name. */
  readonly startedAtMs: number
  readonly families: ReadonlySet<Family>
  readonly discovery: Discovery
  readonly checks: readonly Check[]
  readonly intervalMs: number
  readonly maxInFlight: number
  /** How long discovery may take to tell that a peer is gone: for so long, failures of ready peers are held back. */
  readonly settleMs: number
  /** How long to go on answering after the goodbye. */
  readonly graceMs: number
  /** Starts what probes and answers. */
  readonly startVantage: (options: Omit<VantageOptions, 'responder'>) => Promise<Vantage>
  readonly events: AgentEvents
}

/** What an agent tells while it runs; the log listens. */
export interface AgentEvents {
  /** Peers are answered from now on, at this port. */
  answering(port: number): void
  rosterChanged(change: RosterChange, peers: readonly Peer[]): void
  greeted(peer: Peer, greeting: Greeting): void
  /** Discovery is in trouble, in another one, or (undefined) no more. */
  discoveryTroubled(trouble: string | undefined, knowledge: Omit<Knowledge, 'peers'>): void
  attempted(key: SeriesKey, result: AnyResult, recorded: Recorded): void
  defect(error: unknown): void
}

/** Whether an agent can do its work, which its peers have no part in. */
export interface Health extends Pick<Snapshot, 'isReady' | 'knowledge'> {
  /** What probes and answers gives a sign of life when asked for one, or has not been asked for long. */
  readonly isAlive: boolean
}

/** One agent: finds peers, probes them, answers them, and remembers. */
export interface Agent {
  /** Resolves, when the agent runs, with what it probes and answers from. */
  start(): Promise<Pick<Vantage, 'port' | 'failed'>>
  snapshot(): Snapshot
  health(): Health
  /** Stops probing, says goodbye to every peer, goes on answering for the grace, then stops. */
  stop(): Promise<void>
}

/** What probes and answers is stuck when it owes a sign of life for so long. */
const silentMostMs = 30_000

/** Rounds without a result after which what came of the last says nothing about now. */
const missedRounds = 3

export function createAgent(parts: AgentParts): Agent {
  const { self, startedAtMs, discovery, checks, events } = parts
  const caller = { ...self, startedAtMs }
  const ledger = createLedger()
  const strays: Partial<Record<Protocol, StrayCounts>> = {}
  let vantage: Vantage | undefined
  const stopping = new AbortController()
  const schedule = createSchedule({
    intervalMs: parts.intervalMs,
    maxInFlight: parts.maxInFlight,
    onDefect: events.defect,
  })
  const settlement = createSettlement({
    settleMs: parts.settleMs,
    onSettled({ id, key }, result, isCounted) {
      events.attempted(key, result, ledger.record(id, result, isCounted))
    },
  })
  const greeter = createGreeter({
    async ask(peer) {
      const base = baseOf(peer, self)
      if (base === undefined) return 'silent'
      return vantage === undefined ? 'silent' : askGreeting(vantage.prober, base, caller)
    },
    onGreeting(peer, greeting) {
      roster.greeted(peer, greeting)
      events.greeted(peer, greeting)
    },
    onDefect: events.defect,
  })
  let probes: readonly Protocol[] = []
  const roster = createRoster({
    isSelf: ({ name, namespace, addresses, port }) =>
      (name === self.name && namespace === self.namespace) ||
      // A pod in its node's network is called after its node.
      (port === vantage?.port && addresses.some((address) => self.addresses.includes(address))),
    onChange(change) {
      change.disturbed.forEach(settlement.disturb)
      plan()
      events.rosterChanged(change, [...roster.peers.values()])
    },
  })

  const plan = () => {
    if (stopping.signal.aborted) return
    const series = planSeries(checks, roster.peers.values(), parts.families)
    ledger.setSeries(series)
    const ready = [...series].filter(([, { peer }]) => peer === undefined || peer.state === 'ready')
    schedule.setTasks(
      ready.map(([id, key]) => ({ key: `${self.name} ${id}`, run: () => attempt(id, key) }) satisfies Task),
    )
    greeter.setPeers(roster.peers.values())
  }

  const attempt = async (id: string, key: SeriesKey) => {
    const { check, peer, target, family } = key
    const end = settlement.begin({ id, key }, peer === undefined ? 'none' : roster.peers.get(peer.id))
    const options = { ...check.options, ...(family === undefined ? {} : { family }), signal: stopping.signal }
    let result: AnyResult | undefined
    try {
      result = await vantage?.prober.probe(check.protocol, target, options)
    } finally {
      end(stopping.signal.aborted ? undefined : result)
    }
  }

  const learn = (knowledge: Knowledge) => {
    const { trouble } = roster.knowledge
    roster.update(knowledge)
    if (knowledge.trouble !== trouble) events.discoveryTroubled(knowledge.trouble, roster.knowledge)
  }

  const freshMs = new Map(
    checks.map((check) => {
      const { timeoutMs } = commonOptions.parse(check.options)
      return [check, missedRounds * parts.intervalMs + timeoutMs + parts.settleMs]
    }),
  )

  const viewAt = (nowMs: number) => (series: Series) => viewSince(nowMs - (freshMs.get(series.check) ?? 0), series)

  const health = () => ({
    isAlive: vantage === undefined || vantage.silentMs() < silentMostMs,
    isReady: vantage !== undefined && roster.knowledge.heardAtMs !== 0 && !stopping.signal.aborted,
    knowledge: roster.knowledge,
  })

  const selfNow = () => ({ ...self, zone: self.zone ?? roster.own?.zone })

  const answer = (path: string, request: RouteRequest): object | undefined => {
    const from = callerOf(request, roster.peers.values())
    if (path === greetingPath) {
      if (from !== undefined) roster.hello(from.peer, from.startedAtMs)
      return { ...selfNow(), startedAtMs, probes } satisfies Greeting
    }
    if (from === undefined) return undefined
    roster.goodbye(from.peer, from.startedAtMs)
    return { message: `goodbye, ${from.peer.name}` }
  }

  const open = async () => {
    vantage = await parts.startVantage({
      paths: [greetingPath, goodbyePath],
      onRequest: answer,
      onStray: (protocol, stray) => countStray(strays, protocol, stray),
    })
    probes = await ableProbes(vantage.prober)
    return vantage
  }

  let opened: Promise<Vantage> | undefined
  let stopped: Promise<void> | undefined
  const end = async () => {
    discovery.stop()
    schedule.stop()
    greeter.stop()
    stopping.abort()
    settlement.stop()
    // What a start under way opens must be closed, too; one that fails tells who asked for it.
    await opened?.catch(() => {})
    if (vantage === undefined) return
    try {
      const told = await sayGoodbye(vantage.prober, caller, roster.peers.values())
      // Who was told may have attempts under way; an agent that is alone need not wait.
      if (told > 0) await sleep(parts.graceMs)
    } finally {
      await vantage.close()
    }
  }

  return {
    async start() {
      opened = open()
      const started = await opened
      if (stopping.signal.aborted) return started
      events.answering(started.port)
      plan()
      await discovery.start(learn)
      return started
    },
    health,
    snapshot() {
      const takenAtMs = Date.now()
      const { isReady, knowledge } = health()
      return {
        takenAtMs,
        startedAtMs,
        self: selfNow(),
        isReady,
        knowledge,
        peers: [...roster.peers.values()],
        series: [...ledger.series.values()].map(viewAt(takenAtMs)),
        departed: ledger.departed,
        schedule: schedule.counters,
        setAside: ledger.setAside,
        held: settlement.held,
        greetings: greeter.counters,
        strays: { ...strays },
        responders: vantage?.counters() ?? {},
      }
    },
    stop() {
      stopped ??= end()
      return stopped
    },
  }
}

function countStray(strays: Partial<Record<Protocol, StrayCounts>>, protocol: Protocol, { kind }: Stray): void {
  const before = strays[protocol] ?? { late: 0, duplicate: 0, foreign: 0 }
  strays[protocol] = { ...before, [kind]: before[kind] + 1 }
}

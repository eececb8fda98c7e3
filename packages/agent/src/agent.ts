import {
  type AnyResult,
  createProber,
  type Family,
  type Protocol,
  type Responder,
  type Stray,
  startHttpResponder,
  startUdpResponder,
} from '@scout/core'
import { type Check, familyOf, isAboutAddresses, isAboutPeers, targetAt } from './check.ts'
import type { Discovery } from './discovery/discovery.ts'
import { goodbyeFrom, goodbyePath, sayGoodbye } from './goodbye.ts'
import { createLedger, type Recorded, type SeriesKey } from './ledger.ts'
import type { Peer } from './peer.ts'
import { createRoster, type RosterChange } from './roster.ts'
import { createSchedule, type Task } from './schedule.ts'
import { type Self, type Snapshot, type StrayCounts, viewOf } from './snapshot.ts'

export interface AgentParts {
  readonly self: Self
  readonly families: ReadonlySet<Family>
  readonly discovery: Discovery
  readonly checks: readonly Check[]
  readonly intervalMs: number
  readonly maxInFlight: number
  readonly responder: { readonly host: string; readonly port: number; readonly key: string }
  /** The document the HTTP responder answers at `/`. */
  readonly document: () => object
  readonly events: AgentEvents
}

/** What an agent tells while it runs; the log listens. */
export interface AgentEvents {
  rosterChanged(change: RosterChange, peers: readonly Peer[]): void
  attempted(key: SeriesKey, result: AnyResult, recorded: Recorded): void
  defect(error: unknown): void
}

/** One agent: finds peers, probes them, answers them, and remembers. */
export interface Agent {
  start(): Promise<void>
  snapshot(): Snapshot
  /** Stops probing, says goodbye to every peer, then stops answering. */
  stop(): Promise<void>
}

export function createAgent(parts: AgentParts): Agent {
  const { self, discovery, checks, events } = parts
  const startedAtMs = Date.now()
  const ledger = createLedger()
  const strays: Partial<Record<Protocol, StrayCounts>> = {}
  const prober = createProber({ onStray: (protocol, stray) => countStray(strays, protocol, stray) })
  const stopping = new AbortController()
  const schedule = createSchedule({
    intervalMs: parts.intervalMs,
    maxInFlight: parts.maxInFlight,
    onDefect: events.defect,
  })
  const responders = new Map<string, Responder>()
  const roster = createRoster({
    isSelf: ({ name, namespace }) => name === self.name && namespace === self.namespace,
    onChange: (change) => {
      plan()
      events.rosterChanged(change, [...roster.peers.values()])
    },
  })

  const plan = () => {
    if (stopping.signal.aborted) return
    const keys = seriesOf(checks, roster.peers.values(), parts.families)
    ledger.setSeries(keys)
    schedule.setTasks(
      [...keys].map(([id, key]) => ({ key: `${self.name} ${id}`, run: () => attempt(id, key) }) satisfies Task),
    )
  }

  const attempt = async (id: string, key: SeriesKey) => {
    const { check, peer, target } = key
    const isReadyNow = () => peer === undefined || roster.peers.get(peer.id)?.state === 'ready'
    const wasReady = isReadyNow()
    const options = {
      ...check.options,
      ...(key.family === undefined ? {} : { family: key.family }),
      signal: stopping.signal,
    }
    const result = await prober.probe(check.protocol, target, options)
    if (stopping.signal.aborted) return
    // Only a peer that was ready from beginning to end can be said to have failed.
    events.attempted(key, result, ledger.record(id, result, wasReady && isReadyNow()))
  }

  return {
    async start() {
      const { host, port, key } = parts.responder
      const http = await startHttpResponder({
        host,
        port,
        document: parts.document,
        routes: {
          [goodbyePath]: (request) => {
            const peer = goodbyeFrom(request, roster.peers.values())
            if (peer === undefined) return undefined
            roster.goodbye(peer)
            return { message: `goodbye, ${peer.name}` }
          },
        },
      })
      responders.set('http', http)
      responders.set('udp', await startUdpResponder({ host, port: http.port, key }))
      plan()
      await discovery.start(roster.update)
    },
    snapshot: () => ({
      takenAtMs: Date.now(),
      startedAtMs,
      self,
      isReady: responders.size > 0 && roster.knowledge.heardAtMs > 0 && !stopping.signal.aborted,
      knowledge: roster.knowledge,
      peers: [...roster.peers.values()],
      series: [...ledger.series.values()].map(viewOf),
      schedule: schedule.counters,
      setAside: ledger.setAside,
      strays: { ...strays },
      responders: Object.fromEntries([...responders].map(([name, { counters }]) => [name, { ...counters }])),
    }),
    async stop() {
      discovery.stop()
      schedule.stop()
      stopping.abort()
      await sayGoodbye(prober, self, roster.peers.values())
      prober.close()
      await Promise.all([...responders.values()].map((responder) => responder.close()))
    },
  }
}

/** Every series there should be: each check on each family both sides have, or once where the check is not about peers. */
function seriesOf(
  checks: readonly Check[],
  peers: Iterable<Peer>,
  families: ReadonlySet<Family>,
): Map<string, SeriesKey> {
  const everyPeer = [...peers]
  const keys = new Map<string, SeriesKey>()
  for (const check of checks) {
    if (!isAboutPeers(check)) {
      keys.set(check.name, { check, target: check.target })
      continue
    }
    for (const peer of everyPeer) {
      for (const address of isAboutAddresses(check) ? peer.addresses : peer.addresses.slice(0, 1)) {
        const family = isAboutAddresses(check) ? familyOf(address) : undefined
        if (family !== undefined && !families.has(family)) continue
        keys.set(`${check.name} ${address} ${peer.id}`, { check, peer, target: targetAt(check, peer, address), family })
      }
    }
  }
  return keys
}

function countStray(strays: Partial<Record<Protocol, StrayCounts>>, protocol: Protocol, { kind }: Stray): void {
  const before = strays[protocol] ?? { late: 0, duplicate: 0, foreign: 0 }
  strays[protocol] = { ...before, [kind]: before[kind] + 1 }
}

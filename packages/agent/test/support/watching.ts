import type { AnyResult, IncidentChange, Row, SeriesReport } from '@scout/core'
import { onTestFinished, vi } from 'vitest'
import type { ShownIncident } from '../../src/diagnosis/answer.ts'
import { createDiagnosis, type Diagnosis } from '../../src/diagnosis/diagnosis.ts'
import type { KnownPeer } from '../../src/peers/roster.ts'
import { rowOf, seriesOf } from './rows.ts'

const port = 8081
const checks = [
  { check: 'tcp', protocol: 'tcp' },
  { check: 'udp', protocol: 'udp' },
  { check: 'icmp', protocol: 'icmp' },
] as const

/** One packet's way: from, to, and what it is. */
export interface Way {
  readonly from: string
  readonly to: string
  readonly protocol: string
}

export interface Said {
  readonly by: string
  readonly change: IncidentChange
  readonly incident: ShownIncident
  readonly sight: string
}

/** Agents that diagnose together over a network in memory, on fake timers. */
export interface Watching {
  readonly said: readonly Said[]
  /** Bytes and messages sent by each node. */
  readonly traffic: ReadonlyMap<string, { messages: number; bytes: number }>
  at(node: string): Diagnosis
  /** Sets what the network drops from now on: probes and evidence alike. */
  drop(isDropped: (way: Way) => boolean): void
  /** Sets what the agents detect of packets that the network loses now and then. */
  lose(lossOf: (way: Way) => SeriesReport['loss']): void
  /** Puts what a node's agent has collected into its row. */
  collect(node: string, collected: Row['collected']): void
  kill(node: string): void
  /** Starts a node's agent again, without memory. */
  restart(node: string): void
  /** Lets this time pass. */
  pass(ms: number): Promise<void>
  /** Nodes whose agents speak. */
  speakers(): readonly string[]
}

interface WatchingOptions {
  readonly nodes: number
  readonly zones?: number
  readonly key?: string
  /** How far the clocks of some nodes are ahead. */
  readonly aheadMs?: Readonly<Record<string, number>>
}

/** Runs agents on node-1, node-2 and so on, in zones by turns. The test must use fake timers. */
export function startWatching({ nodes, zones = 3, key = '', aheadMs = {} }: WatchingOptions): Watching {
  const names = Array.from({ length: nodes }, (_, index) => `node-${index + 1}`)
  const zoneOf = (node: string) => `zone-${(Number(node.slice(5)) % zones) + 1}`
  const addressOf = (node: string) => `10.0.0.${node.slice(5)}`
  const nodeAt = (address: string) => names.find((node) => addressOf(node) === address) ?? ''
  const agents = new Map<string, Diagnosis>()
  const said: Said[] = []
  const traffic = new Map<string, { messages: number; bytes: number }>()
  const failedSince = new Map<string, number>()
  const passedSince = new Map<string, number>()
  let isDropped: (way: Way) => boolean = () => false
  let lossOf: (way: Way) => SeriesReport['loss'] = () => undefined
  const startMs = Date.now()
  const collected = new Map<string, Row['collected']>()

  const peerOf = (node: string): KnownPeer => ({
    id: `uid-of-${node}`,
    name: `agent-of-${node}`,
    node,
    zone: zoneOf(node),
    addresses: [addressOf(node)],
    port,
    state: 'ready',
    stateSinceMs: startMs,
  })
  // A way that breaks fails both the request and its answer.
  const fails = (from: string, to: string, protocol: string) =>
    !agents.has(to) || isDropped({ from, to, protocol }) || isDropped({ from: to, to: from, protocol })

  const look = () => {
    const nowMs = Date.now()
    for (const from of names)
      for (const to of names)
        for (const { protocol } of checks) {
          const id = `${from} ${to} ${protocol}`
          if (from === to) continue
          if (fails(from, to, protocol)) {
            passedSince.delete(id)
            if (!failedSince.has(id)) failedSince.set(id, nowMs)
          } else {
            failedSince.delete(id)
            if (!passedSince.has(id)) passedSince.set(id, nowMs)
          }
        }
  }

  const seriesBetween = (from: string, to: string): readonly SeriesReport[] =>
    checks.map(({ check, protocol }) => {
      const id = `${from} ${to} ${protocol}`
      const failedMs = failedSince.get(id)
      const sinceMs = failedMs ?? passedSince.get(id) ?? startMs
      const trials = 1 + Math.floor((Date.now() - sinceMs) / 2_000)
      const target = `${addressOf(to)}:${port}`
      const last = resultOf(failedMs === undefined, target)
      return seriesOf({
        check,
        protocol,
        from,
        to,
        toZone: zoneOf(to),
        target,
        sinceMs,
        trials,
        last,
        family: undefined,
        state: failedMs === undefined ? 'ok' : 'failing',
        loss: lossOf({ from, to, protocol }),
      })
    })

  const rowAt = (node: string): Row =>
    rowOf({
      takenAtMs: Date.now(),
      self: { ...selfOf(node), version: '1' },
      collected: collected.get(node) ?? [],
      peers: names.filter((other) => other !== node).map(peerOf),
      series: names.filter((other) => other !== node).flatMap((other) => seriesBetween(node, other)),
    })

  const selfOf = (node: string) => {
    const { name, zone, addresses } = peerOf(node)
    return { name, node, zone, addresses, nodeAddresses: [] }
  }

  const post = async (from: string, url: string, body: string) => {
    const { hostname, pathname, search } = new URL(url)
    const to = nodeAt(hostname)
    const counted = traffic.get(from) ?? { messages: 0, bytes: 0 }
    traffic.set(from, { messages: counted.messages + 1, bytes: counted.bytes + url.length + body.length })
    const agent = agents.get(to)
    if (agent === undefined || !agents.has(from) || fails(from, to, 'tcp')) {
      await new Promise((resolve) => setTimeout(resolve, 1_500))
      return 'silent'
    }
    const sent = JSON.parse(body) as { readonly takenAtMs: number }
    const answer = await agent.receive({
      method: 'POST',
      url: `${pathname}${search}`,
      from: addressOf(from),
      // All agents of this process have one clock.
      body: key === '' ? JSON.stringify({ ...sent, takenAtMs: sent.takenAtMs + (aheadMs[from] ?? 0) }) : body,
    })
    return { text: JSON.stringify(answer) }
  }

  const run = (node: string) => {
    const agent = createDiagnosis({
      self: { ...selfOf(node), version: '1', process: `process of ${node} at ${Date.now()}`, startedAtMs: Date.now() },
      key,
      zone: () => zoneOf(node),
      peers: () => names.filter((other) => other !== node).map(peerOf),
      post: async (url, body) => post(node, url, body),
      row: () => rowAt(node),
      isFailing: () => [...failedSince.keys()].some((id) => id.startsWith(`${node} `)),
      onIncident: (change, incident, sight) => said.push({ by: node, change, incident, sight }),
      onRound: () => {},
      onDefect(error) {
        throw error
      },
    })
    agents.set(node, agent)
    agent.start()
  }

  names.forEach(run)
  look()
  onTestFinished(() => {
    for (const agent of agents.values()) agent.stop()
  })

  return {
    said,
    traffic,
    at(node) {
      const agent = agents.get(node)
      if (agent === undefined) throw new Error(`${node} does not run`)
      return agent
    },
    drop(next) {
      isDropped = next
      look()
    },
    lose(next) {
      lossOf = next
    },
    collect: (node, its) => void collected.set(node, its),
    kill(node) {
      agents.get(node)?.stop()
      agents.delete(node)
      look()
    },
    restart(node) {
      run(node)
      look()
    },
    async pass(ms) {
      await vi.advanceTimersByTimeAsync(ms)
    },
    speakers: () => [...agents].flatMap(([node, agent]) => (agent.view().isSpeaking ? [node] : [])),
  }
}

function resultOf(ok: boolean, target: string): AnyResult {
  const measured = {
    protocol: 'tcp',
    target,
    startedAtMs: Date.now(),
    phasesNs: {},
    totalNs: 1_000_000,
    clock: { tx: 'user', rx: 'user' },
  } as const
  return ok
    ? { ...measured, ok, detail: { sourcePort: 1, isResetAtOnce: false } }
    : { ...measured, ok, failure: { reason: 'timeout', phase: 'connect', message: 'no answer' } }
}

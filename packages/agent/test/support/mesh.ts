import { randomUUID } from 'node:crypto'
import { type AnyResult, makeCheck } from '@scout/core'
import { onTestFinished } from 'vitest'
import { type Agent, createAgent } from '../../src/agent.ts'
import { createSliceDiscovery } from '../../src/discovery/endpoint-slices.ts'
import type { Recorded } from '../../src/memory/series.ts'
import type { PlannedTask } from '../../src/plan/plan.ts'
import { startLocalVantage } from '../../src/vantage/local.ts'
import type { ApiDouble } from './api-double.ts'
import { conditions, endpoint, endpointSlice } from './slices.ts'

/** One recorded attempt on a peer. */
export interface Seen {
  readonly by: string
  readonly peer: string
  readonly ok: boolean
  readonly recorded: Recorded['change']
}

export interface Pod {
  readonly name: string
  readonly agent: Agent
}

/** Pods on loopback addresses behind one Service, whose slice the API double serves as Kubernetes would. */
export interface Mesh {
  readonly seen: readonly Seen[]
  readonly port: number
  /** Runs an agent: in a new pod that is starting, or in the existing pod at this address. */
  run(name: string, options?: { readonly address?: string; readonly graceMs?: number }): Promise<Pod>
  /** Sets the state of a pod in the slice; `gone` removes it. */
  mark(name: string, state: 'starting' | 'ready' | 'leaving' | 'gone'): void
  /** Adds a pod with this address to the slice. */
  place(name: string, address: string): void
  addressOf(name: string): string
}

/** `key`: secret shared by all agents. */
export function createMesh(api: ApiDouble, port: number, key = ''): Mesh {
  const seen: Seen[] = []
  const places = new Map<string, { readonly address: string; readonly state: 'starting' | 'ready' | 'leaving' }>()
  let lastAddress = 10

  const write = () =>
    api.set(
      endpointSlice(
        'scout-abcde',
        [...places].map(([name, { address, state }]) => endpoint(name, [address], { conditions: conditions(state) })),
        { port },
      ),
    )

  const addressOf = (name: string) => {
    const place = places.get(name)
    if (place === undefined) throw new Error(`there is no pod ${name}`)
    return place.address
  }

  const attempted =
    (by: string) =>
    ({ peer }: PlannedTask, { ok }: AnyResult, { change: recorded }: Recorded) =>
      seen.push({ by, peer: peer?.name ?? '', ok, recorded })

  return {
    seen,
    port,
    addressOf,
    place(name, address) {
      places.set(name, { address, state: 'starting' })
      write()
    },
    mark(name, state) {
      if (state === 'gone') places.delete(name)
      else places.set(name, { address: addressOf(name), state })
      write()
    },
    async run(name, { address: known, graceMs = 50 } = {}) {
      const address = known ?? `127.0.0.${++lastAddress}`
      if (known === undefined) {
        places.set(name, { address, state: 'starting' })
        write()
      }
      const agent = createAgent({
        self: {
          name,
          namespace: 'scout',
          node: `node-of-${name}`,
          addresses: [address],
          nodeAddresses: [],
          version: '1',
        },
        process: randomUUID(),
        startedAtMs: Date.now(),
        key,
        families: new Set(['ipv4']),
        discovery: createSliceDiscovery({
          access: { server: api.server, credentials: async () => ({}), renew() {} },
          namespace: 'scout',
          service: 'scout',
          port,
          nodeConditions: false,
          isFirstReadingNeeded: false,
          onOddity() {},
          onDefect,
          timing: { answerMs: 500, retryFirstMs: 1, retryMostMs: 20 },
        }),
        config: {
          checks: [makeCheck({ name: 'tcp', protocol: 'tcp', options: { timeoutMs: 200 } }, { intervalMs: 20 })],
          probedNodes: 64,
          maxInFlight: 64,
          settleMs: 500,
          graceMs,
        },
        startVantage: (options) => startLocalVantage({ ...options, responder: { host: address, port, key: '' } }),
        events: {
          answering() {},
          rosterChanged() {},
          greeted() {},
          incidentChanged() {},
          discoveryTroubled() {},
          historyTroubled() {},
          attempted: attempted(name),
          defect: onDefect,
        },
      })
      onTestFinished(() => agent.stop())
      await agent.start()
      return { name, agent }
    },
  }
}

function onDefect(error: unknown): void {
  throw error
}

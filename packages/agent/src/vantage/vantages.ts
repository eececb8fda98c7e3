import type { ProberCounters, Protocol, Row, Stray, Vantage as VantageName } from '@scout/core'
import type { Vantage, VantageOptions } from './vantage.ts'

type StrayCounts = Row['vantages'][number]['strays']

/** Starts one vantage. */
export type StartVantage = (options: Omit<VantageOptions, 'responder'>) => Promise<Vantage>

/** The vantages of one agent by name, with their counters. */
export interface Vantages {
  open(name: VantageName): Promise<Vantage>
  /** Returns a vantage; undefined until it is open. */
  get(name: VantageName): Vantage | undefined
  /** Returns all open vantages by name. */
  all(): Iterable<readonly [VantageName, Vantage]>
  reports(): Row['vantages']
  /** Returns the sums of the counters about repeated tasks. */
  schedule(): ProberCounters
  /** Returns the longest overdue heartbeat of any vantage; 0 while all answer. */
  silentMs(): number
  close(): Promise<void>
}

export function createVantages(start: StartVantage, common: Omit<VantageOptions, 'responder' | 'onStray'>): Vantages {
  const open = new Map<VantageName, { readonly vantage: Vantage; strays: StrayCounts }>()
  return {
    async open(name) {
      let strays: StrayCounts = {}
      const vantage = await start({
        ...common,
        onStray: (protocol, stray) => {
          strays = withStray(strays, protocol, stray)
        },
      })
      open.set(name, {
        vantage,
        get strays() {
          return strays
        },
      })
      return vantage
    },
    get: (name) => open.get(name)?.vantage,
    all: () => [...open].map(([name, { vantage }]) => [name, vantage]),
    reports: () =>
      [...open].map(([name, { vantage, strays }]) => ({
        name,
        port: vantage.port,
        responders: vantage.counters(),
        strays,
      })),
    schedule: () => [...open.values()].map(({ vantage }) => vantage.prober.schedule()).reduce(sumOf, noneYet),
    silentMs: () => Math.max(0, ...[...open.values()].map(({ vantage }) => vantage.silentMs())),
    async close() {
      await Promise.all([...open.values()].map(({ vantage }) => vantage.close()))
    },
  }
}

const noneYet: ProberCounters = { started: 0, late: 0, skipped: 0, lost: 0, inFlight: 0, waiting: 0, dropped: 0 }

function sumOf(a: ProberCounters, b: ProberCounters): ProberCounters {
  return {
    started: a.started + b.started,
    late: a.late + b.late,
    skipped: a.skipped + b.skipped,
    lost: a.lost + b.lost,
    inFlight: a.inFlight + b.inFlight,
    waiting: a.waiting + b.waiting,
    dropped: a.dropped + b.dropped,
  }
}

function withStray(strays: StrayCounts, protocol: Protocol, { kind }: Stray): StrayCounts {
  const before = strays[protocol] ?? { late: 0, duplicate: 0, foreign: 0 }
  return { ...strays, [protocol]: { ...before, [kind]: before[kind] + 1 } }
}

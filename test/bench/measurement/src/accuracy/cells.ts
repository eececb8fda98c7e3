import type { Blackbox } from '../stage/blackbox.ts'
import type { Host } from '../stage/host.ts'
import { ports } from '../stage/ports.ts'
import { type Cell, readings, scout } from './cell.ts'
import { blackboxHttp, curl, dig, fping, httptrace, type Pace, ping } from './peers.ts'
import { roundTrips } from './round-trips.ts'

/** Who takes part; a peer this machine lacks is absent. */
export interface Cast {
  /** Answers at once. */
  readonly quick: Host
  /** Answers after 2 to 3 ms, late enough to come while an event loop is blocked; its kernel accepts connections at once. */
  readonly slow: Host
  readonly blackbox: Blackbox | undefined
  /** The program of `httptrace/`. */
  readonly httptrace: string | undefined
}

const single: Pace = { count: 300, intervalMs: 5 }
/** iputils sends no faster without polling, which is not how it is used. */
const unhurried: Pace = { count: 300, intervalMs: 10 }
const bursts: Pace = { count: 10, intervalMs: 300 }

/** An event loop that is blocked for up to 20 ms calls answers late after 2 ms if it goes by its own time. */
const strictMs = 10

/** Cells of a group are compared with each other, and run one after the other in every round. */
export function groupsOf(cast: Cast): readonly (readonly Cell[])[] {
  return [
    icmp(cast),
    icmp6(cast),
    icmpOf500(cast),
    icmpWhileBusy(cast),
    roundTrips(cast.slow),
    dns(cast),
    ...handshakes(cast),
    http(cast),
  ]
}

function icmp({ quick }: Cast): readonly Cell[] {
  const echo = { condition: 'icmp', host: quick, conversation: 'icmp' } as const
  return [
    scout({ ...echo, protocol: 'icmp', targets: [quick.address], pace: unhurried }),
    {
      ...echo,
      tool: 'ping',
      command: 'ping',
      measure: async () => ({ samples: await ping(quick.address, unhurried) }),
    },
    {
      ...echo,
      tool: 'fping',
      command: 'fping',
      measure: async () => ({ samples: await fping([quick.address], unhurried) }),
    },
  ]
}

function icmp6({ quick }: Cast): readonly Cell[] {
  const echo = { condition: 'icmp over IPv6', host: quick, conversation: 'icmp' } as const
  return [
    scout({ ...echo, protocol: 'icmp', targets: [quick.address6], pace: unhurried }),
    {
      ...echo,
      tool: 'ping',
      command: 'ping',
      measure: async () => ({ samples: await ping(quick.address6, unhurried) }),
    },
  ]
}

function icmpOf500({ quick }: Cast): readonly Cell[] {
  const echo = { condition: 'icmp, 500 targets', host: quick, conversation: 'icmp' } as const
  return [
    scout({ ...echo, protocol: 'icmp', targets: quick.addresses, pace: bursts }),
    {
      ...echo,
      tool: 'fping',
      command: 'fping',
      measure: async () => ({ samples: await fping(quick.addresses, bursts) }),
    },
  ]
}

function icmpWhileBusy({ slow }: Cast): readonly Cell[] {
  const echo = { protocol: 'icmp', host: slow, conversation: 'icmp' } as const
  const one = { ...echo, targets: [slow.address], pace: single, timeoutMs: strictMs }
  const many = { ...echo, targets: slow.addresses, pace: bursts, timeoutMs: 2.5 * strictMs }
  return [
    scout({ ...one, condition: 'icmp, 2 ms' }),
    scout({ ...one, condition: 'icmp, 2 ms, busy', isBusy: true }),
    scout({ ...many, condition: 'icmp, 500 targets, 2 ms, busy', isBusy: true }),
  ]
}

function dns({ slow }: Cast): readonly Cell[] {
  const both = { host: slow, conversation: 'udp' } as const
  const target = `bench.test@${slow.address}`
  const request = { kind: 'dns', port: ports.dns, ...single, address: slow.address }
  return [
    scout({ ...both, condition: 'dns', protocol: 'dns', targets: [target], pace: single }),
    scout({ ...both, condition: 'dns, busy', protocol: 'dns', targets: [target], pace: single, isBusy: true }),
    { ...both, tool: 'dgram', condition: 'dns', measure: () => readings('accuracy/dgram-client.ts', request) },
    {
      ...both,
      tool: 'dig',
      command: 'dig',
      condition: 'dns',
      measure: async () => ({ samples: await dig('bench.test', slow.address, single) }),
    },
  ]
}

function handshakes({ slow }: Cast): readonly (readonly Cell[])[] {
  return ['tcp', 'syn'].map((protocol) => {
    const handshake = { protocol, host: slow, conversation: 'tcp', pace: single } as const
    const targets = [`${slow.address}:${ports.http}`]
    return [
      scout({ ...handshake, condition: protocol, targets }),
      scout({ ...handshake, condition: `${protocol}, busy`, targets, isBusy: true }),
    ]
  })
}

function http({ slow, blackbox, httptrace: program }: Cast): readonly Cell[] {
  const { address } = slow
  const request = { condition: 'http', host: slow, conversation: 'tcp' } as const
  const worker = {
    ...request,
    protocol: 'http',
    targets: [`http://${address}/`],
    pace: single,
    isInWorker: true,
    isSequential: true,
  }
  return [
    scout(worker),
    scout({ ...worker, condition: 'http, busy', isBusy: true }),
    { ...request, tool: 'curl', command: 'curl', measure: async () => ({ samples: await curl(address, single) }) },
    ...(program === undefined
      ? []
      : [{ ...request, tool: 'go', measure: async () => ({ samples: await httptrace(program, address, single) }) }]),
    ...(blackbox === undefined
      ? []
      : [
          {
            ...request,
            tool: 'blackbox',
            measure: async () => ({ samples: await blackboxHttp(blackbox, address, single) }),
          },
        ]),
  ]
}

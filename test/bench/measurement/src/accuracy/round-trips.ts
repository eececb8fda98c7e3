import type { Host } from '../stage/host.ts'
import { ports } from '../stage/ports.ts'
import { at, irttServer, reflector, type Server, sockperfServer, startServer } from '../stage/servers.ts'
import { type Cell, readings, scout } from './cell.ts'
import { irtt, type Pace, sockperf } from './peers.ts'

/** Enough for five answers beyond the 99th percentile. */
const pace: Pace = { count: 500, intervalMs: 5 }

/**
 * Round trips over UDP through a relay that keeps each request for 2 ms. Busy is the main thread of Scout's process at that end; beside
 * the others, at both ends, a process with the same load.
 */
export function roundTrips(host: Host): readonly Cell[] {
  const { address } = host
  const both = { host, conversation: 'udp' } as const
  const idle = at(host, reflector('idle'))
  const busy = at(host, reflector('busy'))
  const probe = { ...both, protocol: 'udp', targets: [`${address}:${ports.udp}`], pace, sparesServer: true }
  const echo = { kind: 'echo', port: ports.echo, address, ...pace }
  const peers = [
    { ...both, tool: 'irtt', command: 'irtt', server: irttServer, time: irtt, sparesServer: true },
    { ...both, tool: 'sockperf', command: 'sockperf', server: sockperfServer, time: sockperf },
  ].map(({ server, time, ...cell }) => ({
    cell: { ...cell, measure: async () => ({ samples: await time(address, pace) }) },
    server: at(host, server),
  }))
  return [
    beside([idle], scout({ ...probe, condition: 'udp' })),
    ...peers.map(({ cell, server }) => beside([server], { ...cell, condition: 'udp' })),
    beside([busy], scout({ ...probe, condition: 'udp, reflector busy' })),
    beside([idle], scout({ ...probe, condition: 'udp, busy', isBusy: true })),
    beside([busy], scout({ ...probe, condition: 'udp, both ends busy', isBusy: true })),
    ...peers.map(({ cell, server }) =>
      beside([server, busy, reflector('busy')], { ...cell, condition: 'udp, both ends busy' }),
    ),
    { ...both, tool: 'dgram', condition: 'udp', measure: () => readings('accuracy/dgram-client.ts', echo) },
  ]
}

/** Measures while the servers run. */
function beside(servers: readonly Server[], cell: Cell): Cell {
  return {
    ...cell,
    async measure() {
      const ends: (() => Promise<void>)[] = []
      try {
        for (const server of servers) ends.push(await startServer(server))
        return await cell.measure()
      } finally {
        await Promise.all(ends.map((end) => end()))
      }
    },
  }
}

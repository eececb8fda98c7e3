import { z } from 'zod'
import { between, bytes, type Change, defineFault, milliseconds, port, vantage } from './fault.ts'
import { atDestination, hit, tracked } from './rules.ts'
import { selectFlows } from './selection.ts'
import { sysctl } from './settings.ts'

const idleFlowForgotten = defineFault({
  name: 'idle-flow-forgotten',
  summary: 'a stateful filter forgets connections that were idle for too long',
  signature: 'a connection that was idle is silently dead; new connections work',
  parameters: z.strictObject({
    ...between('forward'),
    vantage: vantage('both'),
    port: port(0),
    milliseconds: milliseconds(1000, 'idle time after which a connection is forgotten, in whole seconds'),
  }),
  changes: (topology, parameters) => [
    ...selectFlows(topology, parameters).flatMap(({ destination }): readonly Change[] => [
      set(destination.name, 'nf_conntrack_tcp_loose', '0'),
      set(
        destination.name,
        'nf_conntrack_tcp_timeout_established',
        String(Math.max(1, Math.round(parameters.milliseconds / 1000))),
      ),
    ]),
    ...atDestination(topology, parameters, {
      vantage: parameters.vantage,
      hooks: tracked,
      rules: (match) => [
        hit(
          `${match} ${parameters.port === 0 ? 'meta l4proto tcp' : `tcp dport ${parameters.port}`} ct state invalid`,
          'drop',
        ),
      ],
    }),
  ],
})

const conntrackFull = defineFault({
  name: 'conntrack-full',
  summary:
    "a node's connection tracking has no room for new flows (emulated by counting, the real limit is the machine's)",
  signature: 'of new flows of every protocol only a few get through; open ones go on',
  parameters: z.strictObject({
    ...between('forward'),
    vantage: vantage('both'),
    size: bytes(8, 'flows there is room for'),
  }),
  changes: (topology, parameters) =>
    atDestination(topology, parameters, {
      vantage: parameters.vantage,
      hooks: tracked,
      rules: (match) => [hit(`${match} ct state new ct count over ${parameters.size}`, 'drop')],
    }),
})

export const conntrackFaults = [idleFlowForgotten, conntrackFull] as const

function set(namespace: string, key: string, value: string): Change {
  return { kind: 'setting', setting: sysctl(namespace, `net/netfilter/${key}`), value }
}

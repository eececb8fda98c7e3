import { z } from 'zod'
import type { Node, Pod } from '../topology.ts'
import { between, defineFault, port, selector, vantage, type Words } from './fault.ts'
import { atDestination, delivering, hit, ip, protocolMatch, tableAt } from './rules.ts'
import { addressesOf, selectFlows } from './selection.ts'

const rejectReset = defineFault({
  name: 'reject-reset',
  summary: 'TCP is rejected with a reset',
  signature: 'connects are refused within one round trip, as if nobody listened; ping and UDP work',
  parameters: z.strictObject({ ...between('forward'), vantage: vantage('both'), port: port(0) }),
  changes: (topology, parameters) =>
    atDestination(topology, parameters, {
      vantage: parameters.vantage,
      hooks: delivering,
      rules: (match, family) => [
        hit(`${match} ${protocolMatch('tcp', family, parameters.port)}`, 'reject with tcp reset'),
      ],
    }),
})

const rejectWith = (answer: string, words: Words) =>
  defineFault({
    ...words,
    parameters: z.strictObject({
      ...between('forward'),
      vantage: vantage('both'),
      protocol: z.enum(['any', 'icmp', 'tcp', 'udp']).default('any').describe('protocol'),
      port: port(0),
    }),
    changes: (topology, parameters) =>
      atDestination(topology, parameters, {
        vantage: parameters.vantage,
        hooks: delivering,
        rules: (match, family) => [
          hit(
            `${match} ${protocolMatch(parameters.protocol, family, parameters.port)}`,
            `reject with icmpx type ${answer}`,
          ),
        ],
      }),
  })

const rejectPortUnreachable = rejectWith('port-unreachable', {
  name: 'reject-port-unreachable',
  summary: 'packets are answered with "port unreachable"',
  signature: 'ping says "Destination Port Unreachable"; TCP and connected UDP sockets are refused at once',
})
const rejectAdminProhibited = rejectWith('admin-prohibited', {
  name: 'reject-admin-prohibited',
  summary: 'packets are answered with "administratively prohibited"',
  signature: 'ping says "Packet filtered"; TCP and UDP fail at once with "no route to host"',
})
const rejectHostUnreachable = rejectWith('host-unreachable', {
  name: 'reject-host-unreachable',
  summary: 'packets are answered with "host unreachable"',
  signature: 'ping says "Destination Host Unreachable"; TCP fails at once with "no route to host"; UDP is silent',
})

const egressDenied = defineFault({
  name: 'egress-denied',
  summary: 'a local rule denies packets before they leave',
  signature: 'UDP fails at once with "operation not permitted"; ping and TCP time out; nothing reaches the wire',
  parameters: z.strictObject({
    from: selector('1'),
    to: selector('2'),
    vantage: z.enum(['pod', 'host']).default('pod').describe('who is denied: the pods or the node itself'),
    protocol: z.enum(['any', 'icmp', 'tcp', 'udp']).default('any').describe('protocol'),
    port: port(0),
  }),
  changes: (topology, { from, to, vantage: who, protocol, port: number }) => {
    const hooks = [{ hook: 'output', priority: 0 }] as const
    return selectFlows(topology, { from, to, direction: 'forward' }).flatMap(({ sources, destination }) => {
      const rules = topology.families.map((family) =>
        hit(
          `${ip[family]} daddr ${addressesOf([destination], family, 'both')} ${protocolMatch(protocol, family, number)}`,
          'drop',
        ),
      )
      const places = sources.flatMap((node): readonly (Node | Pod)[] => (who === 'host' ? [node] : node.pods))
      return places.map((place) => tableAt(place, hooks, rules))
    })
  },
})

export const rejectFaults = [
  rejectReset,
  rejectPortUnreachable,
  rejectAdminProhibited,
  rejectHostUnreachable,
  egressDenied,
] as const

import { z } from 'zod'
import { podPort } from '../spec.ts'
import { between, defineFault, milliseconds, percentage, port, vantage, type Words } from './fault.ts'
import { atDestination, chance, hit, ip, type Protocol, protocolMatch, tableAt } from './rules.ts'

const blocked = (protocol: Exclude<Protocol, 'any'>, summary: string, signature: string) =>
  defineFault({
    name: `${protocol}-blocked`,
    summary,
    signature,
    parameters: z.strictObject({ ...between('both'), vantage: vantage('both'), percentage: percentage(100) }),
    changes: (topology, parameters) =>
      atDestination(topology, parameters, {
        vantage: parameters.vantage,
        rules: (match, family) => [
          hit(`${match} ${protocolMatch(protocol, family)} ${chance(parameters.percentage)}`, 'drop'),
        ],
      }),
  })

const icmpBlocked = blocked('icmp', 'ICMP is dropped', 'ping is silent; TCP, UDP and HTTP work')
const udpBlocked = blocked('udp', 'UDP is dropped', 'UDP is silent; ping, TCP and HTTP work')
const tcpBlocked = blocked('tcp', 'TCP is dropped', 'TCP and HTTP time out; ping and UDP work')

const portBlocked = defineFault({
  name: 'port-blocked',
  summary: 'one port is dropped',
  signature: 'that port times out; other ports and ping work',
  parameters: z.strictObject({
    ...between('both'),
    vantage: vantage('both'),
    protocol: z.enum(['tcp', 'udp']).default('tcp').describe('protocol'),
    port: port(podPort),
    percentage: percentage(100),
  }),
  changes: (topology, parameters) =>
    atDestination(topology, parameters, {
      vantage: parameters.vantage,
      rules: (match, family) => [
        hit(
          `${match} ${protocolMatch(parameters.protocol, family, parameters.port)} ${chance(parameters.percentage)}`,
          'drop',
        ),
      ],
    }),
})

const loss = (defaults: { direction: 'forward' | 'both'; percentage: number }, words: Words) =>
  defineFault({
    ...words,
    parameters: z.strictObject({
      ...between(defaults.direction),
      vantage: vantage('both'),
      protocol: z.enum(['any', 'icmp', 'tcp', 'udp']).default('any').describe('protocol'),
      port: port(0),
      percentage: percentage(defaults.percentage),
    }),
    changes: (topology, parameters) =>
      atDestination(topology, parameters, {
        vantage: parameters.vantage,
        rules: (match, family) => [
          hit(
            `${match} ${protocolMatch(parameters.protocol, family, parameters.port)} ${chance(parameters.percentage)}`,
            'drop',
          ),
        ],
      }),
  })

const oneWayLoss = loss(
  { direction: 'forward', percentage: 100 },
  {
    name: 'one-way-loss',
    summary: 'packets are lost in one direction only',
    signature: 'requests never arrive and everything times out; the other direction delivers, as the receiver can see',
  },
)
const randomLoss = loss(
  { direction: 'both', percentage: 20 },
  {
    name: 'random-loss',
    summary: 'packets are lost by chance',
    signature:
      'every protocol loses its share; connects that lose a packet take 1 s or 3 s longer; big transfers crawl',
  },
)

const ipv6Dead = defineFault({
  name: 'ipv6-dead',
  summary: 'IPv6 is dropped, IPv4 is not',
  signature: 'everything over IPv6 times out; IPv4 works',
  needs: { family: 'ipv6' },
  parameters: z.strictObject({ ...between('both'), vantage: vantage('both') }),
  changes: (topology, parameters) =>
    atDestination(topology, parameters, {
      vantage: parameters.vantage,
      families: ['ipv6'],
      rules: (match) => [hit(match, 'drop')],
    }),
})

const periodicLoss = defineFault({
  name: 'periodic-loss',
  summary: 'all packets are lost for a moment, again and again',
  signature: 'loss in runs of the same length, on every protocol; what is sent in between passes',
  parameters: z.strictObject({
    ...between('both'),
    vantage: vantage('both'),
    lost: milliseconds(200, 'milliseconds in which packets are lost'),
    passing: milliseconds(1800, 'milliseconds in which they pass'),
  }),
  changes: (topology, { lost, passing, ...parameters }) =>
    atDestination(topology, parameters, {
      vantage: parameters.vantage,
      pulse: { onMs: lost, offMs: passing },
      rules: (match) => [hit(match, 'drop')],
    }),
})

const brownOut = defineFault({
  name: 'brown-out',
  summary: 'packets are lost for some seconds, then it is over',
  signature: 'everything times out for that time; connects that began in it succeed afterwards',
  parameters: z.strictObject({
    ...between('both'),
    vantage: vantage('both'),
    percentage: percentage(100),
    milliseconds: milliseconds(10_000, 'how long it lasts'),
  }),
  changes: (topology, parameters) =>
    atDestination(topology, parameters, {
      vantage: parameters.vantage,
      pulse: { onMs: parameters.milliseconds },
      rules: (match) => [hit(`${match} ${chance(parameters.percentage)}`, 'drop')],
    }),
})

const networkPolicy = defineFault({
  name: 'network-policy',
  summary: 'pods accept no connections but those to their port and to name servers, as a network policy intends',
  signature: 'other ports time out; the port, names, ping, and connections that pods open work',
  parameters: z.strictObject({ port: port(podPort) }),
  changes: (topology, parameters) =>
    topology.nodes.map((node) =>
      tableAt(
        node,
        [{ hook: 'forward', priority: -5 }],
        topology.families.map((family) =>
          hit(
            `${ip[family]} daddr ${node.podRange[family]} ct state new meta l4proto { tcp, udp } th dport != { 53, ${parameters.port} }`,
            'drop',
          ),
        ),
      ),
    ),
})

export const dropFaults = [
  icmpBlocked,
  udpBlocked,
  tcpBlocked,
  portBlocked,
  oneWayLoss,
  randomLoss,
  periodicLoss,
  brownOut,
  ipv6Dead,
  networkPolicy,
] as const

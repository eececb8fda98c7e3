import { z } from 'zod'
import { routerNamespace } from '../topology.ts'
import { between, type Change, defineFault, percentage, selector, vantage } from './fault.ts'
import { arriving, atDestination, chance, hit, ip, tableAt } from './rules.ts'
import { addressesOf, selectFlows, selectNode } from './selection.ts'

const flowLoss = defineFault({
  name: 'flow-loss',
  summary: 'one of several parallel paths drops everything',
  signature: 'a fixed share of TCP and UDP flows is dead from the first packet, the others are clean; ping works',
  parameters: z.strictObject({
    ...between('forward'),
    vantage: vantage('both'),
    paths: z.coerce.number().int().min(2).max(64).default(8).describe('parallel paths, of which one is bad'),
  }),
  changes: (topology, parameters) =>
    atDestination(topology, parameters, {
      vantage: parameters.vantage,
      rules: (match, family) => {
        const flow = `${ip[family]} saddr . ${ip[family]} daddr . th sport . th dport`
        return [
          hit(`${match} meta l4proto { tcp, udp } jhash ${flow} mod ${parameters.paths} seed 0x5ca1ab1e 1`, 'drop'),
        ]
      },
    }),
})

const duplicates = defineFault({
  name: 'duplicates',
  summary: 'packets arrive twice',
  signature: 'ping reports duplicates; TCP does not mind',
  parameters: z.strictObject({ ...between('forward'), percentage: percentage(50) }),
  changes: (topology, parameters) =>
    selectFlows(topology, parameters).flatMap(({ sources, destination }) =>
      topology.families.map(
        (family): Change => ({
          kind: 'table',
          namespace: destination.name,
          table: {
            family: ip[family],
            hooks: [{ hook: 'prerouting', priority: -300 }],
            // Towards pods alone: a copy sent to the node's own address would not find its way back in.
            rules: destination.pods
              .map((pod) => pod.addresses[family])
              .map((pod) =>
                hit(
                  `${ip[family]} saddr ${addressesOf(sources, family, 'both')} ${ip[family]} daddr ${pod} ${chance(parameters.percentage)}`,
                  `dup to ${pod}`,
                ),
              ),
          },
        }),
      ),
    ),
})

const ttlExpiry = defineFault({
  name: 'ttl-expiry',
  summary: 'packets die of their TTL on the way',
  signature: 'ping says "Time to live exceeded", TCP "no route to host"; UDP is silent',
  parameters: z.strictObject({ from: selector('1'), to: selector('2') }),
  changes: (topology, { from, to }) =>
    selectFlows(topology, { from, to, direction: 'forward' }).flatMap(({ sources, destination }) =>
      sources.map((node) =>
        tableAt(
          node,
          arriving,
          topology.families.map((family) =>
            hit(
              `${ip[family]} saddr ${addressesOf([node], family, 'pod')} ${ip[family]} daddr ${addressesOf([destination], family, 'both')}`,
              family === 'ipv4' ? 'ip ttl set 1' : 'ip6 hoplimit set 1',
            ),
          ),
        ),
      ),
    ),
})

const hopHidden = defineFault({
  name: 'hop-hidden',
  summary: 'a router does not say when a TTL expires on it',
  signature: 'a trace shows * for that hop; everything else works',
  parameters: z.strictObject({ hop: z.coerce.string().default('2').describe('number of a node, or router') }),
  changes: (topology, { hop }) => {
    const namespace = hop === routerNamespace && topology.hasRouter ? routerNamespace : selectNode(topology, hop).name
    return [
      {
        kind: 'table',
        namespace,
        table: {
          family: 'inet',
          hooks: [{ hook: 'output', priority: 0 }],
          rules: [hit('icmp type time-exceeded', 'drop'), hit('icmpv6 type time-exceeded', 'drop')],
        },
      },
    ]
  },
})

const dscpRemarked = defineFault({
  name: 'dscp-remarked',
  summary: 'the DSCP of packets is rewritten on the way',
  signature: 'packets arrive with another DSCP than they were sent with; nothing else changes',
  parameters: z.strictObject({
    ...between('forward'),
    vantage: vantage('both'),
    dscp: z.coerce.number().int().min(0).max(63).default(0).describe('DSCP packets arrive with'),
  }),
  changes: (topology, parameters) =>
    atDestination(topology, parameters, {
      vantage: parameters.vantage,
      rules: (match, family) => [
        hit(`${match} ${ip[family]} dscp != ${parameters.dscp}`, `${ip[family]} dscp set ${parameters.dscp}`),
      ],
    }),
})

export const pathFaults = [flowLoss, duplicates, ttlExpiry, hopHidden, dscpRemarked] as const

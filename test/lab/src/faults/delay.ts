import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { labFolder } from '../sandbox.ts'
import type { Topology } from '../topology.ts'
import {
  between,
  type Change,
  defineFault,
  type FaultKey,
  type Hook,
  milliseconds,
  percentage,
  port,
  vantage,
} from './fault.ts'
import { iptablesRule } from './iptables.ts'
import { atDestination, chance, hit, protocolMatch } from './rules.ts'
import { type Pair, selectFlows, type Vantage } from './selection.ts'

const protocol = z.enum(['any', 'icmp', 'tcp', 'udp']).default('any').describe('protocol')

const delay = defineFault({
  name: 'delay',
  summary: 'packets take longer, by a fixed time and a random one',
  signature: 'every round trip grows by the delay; nothing is lost',
  parameters: z.strictObject({
    ...between('forward'),
    vantage: vantage('both'),
    protocol,
    port: port(0),
    milliseconds: milliseconds(20, 'how long a packet is held'),
    jitter: milliseconds(0, 'milliseconds up to which the delay varies either way'),
    percentage: percentage(100),
  }),
  changes: (topology, parameters, key) => holdPackets(topology, parameters, key),
})

const reordering = defineFault({
  name: 'reordering',
  summary: 'some packets are overtaken by later ones',
  signature: 'packets sent back to back arrive out of order; nothing is lost; big transfers slow down',
  parameters: z.strictObject({
    ...between('forward'),
    vantage: vantage('both'),
    protocol,
    port: port(0),
    milliseconds: milliseconds(5, 'how long an overtaken packet is held'),
    percentage: percentage(30),
  }),
  changes: (topology, parameters, key) => holdPackets(topology, { ...parameters, jitter: 0 }, key),
})

const jitter = defineFault({
  name: 'jitter',
  summary: 'packets take longer, each by another time',
  signature: 'round trips vary, the shortest are as short as ever; nothing is lost',
  parameters: z.strictObject({
    ...between('forward'),
    vantage: vantage('both'),
    protocol,
    port: port(0),
    milliseconds: milliseconds(40, 'how long a packet is held at most'),
    percentage: percentage(100),
  }),
  changes: (topology, parameters, key) => {
    const half = parameters.milliseconds / 2
    return holdPackets(topology, { ...parameters, milliseconds: half, jitter: half }, key)
  },
})

export const delayFaults = [delay, jitter, reordering] as const

interface Holding extends Pair {
  readonly vantage: Vantage
  readonly protocol: 'any' | 'icmp' | 'tcp' | 'udp'
  readonly port: number
  readonly milliseconds: number
  readonly jitter: number
  readonly percentage: number
}

// Both before connection tracking: a flow's first packet, held after it, would find the second one's entry in its place and
// be dropped (nf_conntrack_confirm). The rule is of the raw table, at -300.
const beforeHolding: readonly Hook[] = [{ hook: 'prerouting', priority: -320 }]
const folder = fileURLToPath(new URL('../../helper/', import.meta.url))
const helper = `${labFolder}/delay`

/**
 * Kernels without `netem` can still hold a packet: a queue to user space (NFQUEUE) whose reader lets each packet go
 * when its time has come. The fault's own table marks the packets, so that they are chosen and counted like those of any
 * other fault; one iptables rule, which nft has no word for here, sends the marked ones to the reader. Of two such
 * faults that choose the same packet at one node, the later one holds it.
 */
function holdPackets(topology: Topology, parameters: Holding, { number }: FaultKey): readonly Change[] {
  const mark = `0x5c${number.toString(16).padStart(4, '0')}`
  const microseconds = [parameters.milliseconds, parameters.jitter].map((value) => String(Math.round(value * 1000)))
  const nodes = selectFlows(topology, parameters).map((flow) => flow.destination.name)
  const rule = {
    table: 'raw',
    text: `PREROUTING -m mark --mark ${mark} -j NFQUEUE --queue-num ${number} --queue-bypass`,
  } as const
  return [
    { kind: 'command', script: buildHelper },
    ...nodes.flatMap((namespace): readonly Change[] => [
      { kind: 'helper', namespace, argv: [helper, String(number), ...microseconds], reports: true },
      ...topology.families.map((family) => iptablesRule(namespace, family, rule)),
    ]),
    ...atDestination(topology, parameters, {
      vantage: parameters.vantage,
      hooks: beforeHolding,
      rules: (match, family) => [
        hit(
          `${match} ${protocolMatch(parameters.protocol, family, parameters.port)} ${chance(parameters.percentage)}`,
          `meta mark set ${mark}`,
        ),
      ],
    }),
  ]
}

/** Makes the reader once a lab, into the lab's own folder: from C where there is a compiler, else it is Python. */
const buildHelper = `
[ -x ${helper} ] && exit
for compiler in cc gcc clang; do
  command -v "$compiler" > /dev/null || continue
  "$compiler" -O2 -pipe -o ${helper}.new '${folder}delay.c' && mv ${helper}.new ${helper} && exit
done
command -v python3 > /dev/null || { echo 'holding packets needs a C compiler or python3: install gcc or python3' >&2; exit 1; }
printf '#!/bin/sh\\nexec python3 "%s" "$@"\\n' '${folder}delay.py' > ${helper}
chmod +x ${helper}
`

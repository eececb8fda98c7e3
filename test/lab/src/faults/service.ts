import { z } from 'zod'
import { translation } from '../compile/services.ts'
import { LabError } from '../errors.ts'
import type { Pod, Service, Topology } from '../topology.ts'
import { type Change, defineFault, nodeNumber, type Table, type Words } from './fault.ts'
import { hit, ip, tableAt, toPod } from './rules.ts'
import { selectNode, selectPod, selectService } from './selection.ts'

const service = z.string().default('').describe('service; the first one when left out')

const endpointFault = (verdict: string, words: Words) =>
  defineFault({
    ...words,
    parameters: z.strictObject({ service, pod: z.string().default('pod2').describe('endpoint') }),
    changes: (topology, parameters) => {
      const { targetPort } = selectService(topology, parameters.service)
      return [
        toPod(topology, selectPod(topology, parameters.pod), (match) => [
          hit(`${match} tcp dport ${targetPort}`, verdict),
        ]),
      ]
    },
  })

const serviceRulesMissing = defineFault({
  name: 'service-rules-missing',
  summary: 'a node lacks the translation of a service address',
  signature: 'the service is silent from that node alone; its endpoints asked directly all answer',
  parameters: z.strictObject({ service, node: nodeNumber(1, 'node that lacks the rules') }),
  changes: (topology, parameters) => {
    const node = selectNode(topology, parameters.node)
    const { addresses, port } = selectService(topology, parameters.service)
    return [
      {
        kind: 'table',
        namespace: node.name,
        table: {
          family: 'inet',
          hooks: [
            { hook: 'prerouting', priority: -300 },
            { hook: 'output', priority: -300 },
          ],
          // A packet the kernel does not track is not translated, as if there were no rule; open connections go on.
          rules: topology.families.flatMap((family) => [
            hit(
              `${ip[family]} daddr ${addresses[family]} tcp dport ${port} tcp flags & (fin|syn|rst|ack) == syn`,
              'notrack',
            ),
            hit(`${ip[family]} daddr ${addresses[family]} udp dport ${port}`, 'notrack'),
          ]),
        },
      },
    ]
  },
})

const natEntryStale = defineFault({
  name: 'nat-entry-stale',
  summary: 'an endpoint of a service has gone, and a node still translates open UDP flows to it',
  signature:
    'sockets that were translated to that endpoint are silent as long as they send; new ones are answered by others',
  parameters: z.strictObject({
    service,
    node: nodeNumber(1, 'node that translates'),
    pod: z.string().default('pod2').describe('endpoint that has gone'),
  }),
  changes: (topology, parameters) => {
    const node = selectNode(topology, parameters.node)
    const gone = selectPod(topology, parameters.pod)
    const chosen = selectService(topology, parameters.service)
    const left = { ...chosen, endpoints: chosen.endpoints.filter((pod) => pod !== gone) }
    if (left.endpoints.length === 0) {
      throw new LabError('usage', `the service ${chosen.name} needs another endpoint than ${gone.name}`)
    }
    return topology.families.flatMap((family): readonly Change[] => {
      const address = `${ip[family]} daddr ${chosen.addresses[family]}`
      return [
        // Only the first packet of a flow is translated by rules, all others by its entry.
        {
          kind: 'table',
          namespace: node.name,
          table: {
            family: ip[family],
            hooks: [
              { type: 'nat', hook: 'prerouting', priority: -101 },
              { type: 'nat', hook: 'output', priority: -101 },
            ],
            rules: [`${address} udp dport ${chosen.port} ${translation(family, left)}`],
          },
        },
        tableAt(
          node,
          [
            { hook: 'forward', priority: -5 },
            { hook: 'output', priority: -5 },
          ],
          [hit(`${ip[family]} daddr ${gone.addresses[family]} meta l4proto udp ct original ${address}`, 'drop')],
        ),
      ]
    })
  },
})

const hairpinBroken = defineFault({
  name: 'hairpin-broken',
  summary: 'a pod cannot reach itself through a service',
  signature: 'the service times out exactly when the pod itself is chosen; from elsewhere it always works',
  parameters: z.strictObject({ service, node: nodeNumber(1, 'node that does not masquerade') }),
  changes: (topology, parameters) => {
    const node = selectNode(topology, parameters.node)
    const chosen = selectService(topology, parameters.service)
    return topology.families.map(
      (family): Change => ({
        kind: 'table',
        namespace: node.name,
        table: keepSource(
          family,
          node.pods.filter((pod) => chosen.endpoints.includes(pod)),
          chosen,
        ),
      }),
    )
  },
})

export const serviceFaults = [
  endpointFault('drop', {
    name: 'endpoint-blackholed',
    summary: 'one endpoint of a service is silent',
    signature: 'its share of connections through the service times out; asked directly it is silent, the others answer',
  }),
  endpointFault('reject with tcp reset', {
    name: 'endpoint-refusing',
    summary: 'one endpoint of a service refuses connections',
    signature: 'its share of connections through the service is refused; asked directly it refuses, the others answer',
  }),
  serviceRulesMissing,
  natEntryStale,
  hairpinBroken,
] as const

/** Source translation to the same address: it comes first, so the masquerade that hairpins need never happens. */
function keepSource(family: Topology['families'][number], pods: readonly Pod[], { targetPort }: Service): Table {
  return {
    family: ip[family],
    hooks: [{ type: 'nat', hook: 'postrouting', priority: 99 }],
    rules: pods
      .map((pod) => pod.addresses[family])
      .flatMap((own) =>
        ['tcp', 'udp'].map((protocol) =>
          hit(
            `${ip[family]} saddr ${own} ${ip[family]} daddr ${own} ${protocol} dport ${targetPort}`,
            `snat to ${own}`,
          ),
        ),
      ),
  }
}

import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { LabError } from '../errors.ts'
import type { Pod, Topology } from '../topology.ts'
import { between, bytes, type Change, defineFault, type FaultKey, vantage, type Words } from './fault.ts'
import { atDestination, hit } from './rules.ts'
import { selectFlows, selectPod } from './selection.ts'
import { queue } from './settings.ts'

const kilobits = (fallback: number) =>
  z.coerce.number().int().min(8).default(fallback).describe('rate in kilobits per second')
const load = z.coerce
  .number()
  .int()
  .min(0)
  .max(16)
  .default(0)
  .describe('connections of an application that sends over it as much as it can, 0 for none')
const burst = (fallback: number) => bytes(fallback, 'bytes that may pass at once')

const slowLink = (queueBytes: number, words: Words) =>
  defineFault({
    ...words,
    parameters: z.strictObject({
      pod: z.string().default('pod2').describe('pod whose link is slow'),
      direction: z.enum(['to', 'from']).default('to').describe('packets to the pod or from it'),
      rate: kilobits(1000),
      burst: burst(3000),
      queue: bytes(queueBytes, 'bytes that may wait'),
      load,
    }),
    changes: (topology, parameters, key): readonly Change[] => {
      const pod = selectPod(topology, parameters.pod)
      const other = topology.pods.find(({ node }) => node !== pod.node)
      if (other === undefined) throw new LabError('usage', `beside the node of ${pod.name} this lab has none`)
      const [sender, receiver] = parameters.direction === 'to' ? [other, pod] : [pod, other]
      const [namespace, device] = parameters.direction === 'to' ? [`node${pod.node}`, pod.name] : [pod.name, 'eth0']
      return [
        {
          kind: 'setting',
          setting: queue(namespace, device),
          value: `tbf rate ${parameters.rate}kbit burst ${parameters.burst} limit ${parameters.queue}`,
        },
        {
          kind: 'counter',
          namespace,
          script: `tc -s qdisc show dev ${device} root | sed -n 's/.*overlimits \\([0-9]*\\).*/\\1/p'`,
        },
        ...loaded(topology, { sender, receiver, connections: parameters.load }, key),
      ]
    },
  })

const rateLimit = slowLink(30_000, {
  name: 'rate-limit',
  summary: 'a slow link with a short queue',
  signature: 'idle round trips are short; under load they grow to a quarter of a second and packets are lost',
})
const bufferbloat = slowLink(1_000_000, {
  name: 'bufferbloat',
  summary: 'a slow link with a deep queue',
  signature: 'idle round trips are short; under load they grow to seconds and nothing is lost',
})

const policing = defineFault({
  name: 'policing',
  summary: 'packets above a rate are dropped, none is queued',
  signature: 'round trips stay short under load; big transfers are slow through loss; small probes see nothing',
  parameters: z.strictObject({
    ...between('forward'),
    vantage: vantage('both'),
    rate: kilobits(1000),
    burst: burst(15_000),
    load,
  }),
  changes: (topology, parameters, key) => [
    ...atDestination(topology, parameters, {
      vantage: parameters.vantage,
      rules: (match) => [
        hit(
          `${match} limit rate over ${Math.ceil(parameters.rate / 8)} kbytes/second burst ${parameters.burst} bytes`,
          'drop',
        ),
      ],
    }),
    ...selectFlows(topology, parameters).flatMap(({ sources: [source], destination }) => {
      const podOn = (number: number | undefined) => topology.pods.find(({ node }) => node === number)
      const [sender, receiver] = [podOn(source?.number), podOn(destination.number)]
      if (sender === undefined || receiver === undefined) return []
      return loaded(topology, { sender, receiver, connections: parameters.load }, key)
    }),
  ],
})

export const rateFaults = [rateLimit, bufferbloat, policing] as const

const daemon = fileURLToPath(new URL('../../dist/daemons/load.js', import.meta.url))

interface Load {
  readonly sender: Pod
  readonly receiver: Pod
  readonly connections: number
}

/** An application whose traffic fills a line. A slow one shows only under load. */
function loaded(
  { families: [family] }: Topology,
  { sender, receiver, connections }: Load,
  { number }: FaultKey,
): readonly Change[] {
  if (connections === 0 || family === undefined) return []
  // Outside the range source ports are taken from (32768 to 60999).
  const port = String(62_000 + number)
  const node = [process.execPath, daemon]
  return [
    { kind: 'helper', namespace: receiver.name, argv: [...node, 'receive', port] },
    {
      kind: 'helper',
      namespace: sender.name,
      argv: [...node, 'send', receiver.addresses[family], port, String(connections)],
    },
  ]
}

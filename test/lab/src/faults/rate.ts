import { z } from 'zod'
import { between, bytes, type Change, defineFault, vantage, type Words } from './fault.ts'
import { atDestination, hit } from './rules.ts'
import { selectPod } from './selection.ts'
import { queue } from './settings.ts'

const kilobits = (fallback: number) =>
  z.coerce.number().int().min(8).default(fallback).describe('rate in kilobits per second')
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
    }),
    changes: (topology, parameters): readonly Change[] => {
      const pod = selectPod(topology, parameters.pod)
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
  }),
  changes: (topology, parameters) =>
    atDestination(topology, parameters, {
      vantage: parameters.vantage,
      rules: (match) => [
        hit(
          `${match} limit rate over ${Math.ceil(parameters.rate / 8)} kbytes/second burst ${parameters.burst} bytes`,
          'drop',
        ),
      ],
    }),
})

export const rateFaults = [rateLimit, bufferbloat, policing] as const

import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { podPort } from '../spec.ts'
import { between, bytes, defineFault, port, vantage } from './fault.ts'
import { atDestination, delivering, hit, ip } from './rules.ts'
import { selectPod } from './selection.ts'

const onConnection = z.strictObject({ ...between('forward'), vantage: vantage('both'), port: port(podPort) })

const firstSynLost = defineFault({
  name: 'first-syn-lost',
  summary: 'the first SYN of every connection is lost',
  signature: 'every connect takes one second, the retransmission time of a SYN; ping and UDP work',
  parameters: z.strictObject({ ...between('forward'), vantage: vantage('both'), port: port(0) }),
  changes: (topology, parameters) =>
    atDestination(topology, parameters, {
      vantage: parameters.vantage,
      sets: topology.families.map(
        (family) =>
          `set seen-${family} { type ${family}_addr . inet_service . ${family}_addr . inet_service; flags dynamic,timeout; timeout 10s; }`,
      ),
      rules: (match, family) => {
        const flow = `${ip[family]} saddr . tcp sport . ${ip[family]} daddr . tcp dport`
        return [
          hit(
            `${match} ${destinationPort(parameters.port)} tcp flags & (syn|ack) == syn ${flow} != @seen-${family} add @seen-${family} { ${flow} }`,
            'drop',
          ),
        ]
      },
    }),
})

const synAckLost = defineFault({
  name: 'syn-ack-lost',
  summary: 'the answer to a SYN is lost',
  signature: 'connects time out while the listener holds half-open connections; ping and UDP work',
  parameters: z.strictObject({ ...between('forward'), vantage: vantage('both') }),
  changes: (topology, { from, to, direction, vantage: whose }) =>
    // The answers travel the other way.
    atDestination(
      topology,
      { from: to, to: from, direction },
      {
        vantage: whose,
        rules: (match) => [hit(`${match} tcp flags & (syn|ack) == (syn|ack)`, 'drop')],
      },
    ),
})

const resetOnData = defineFault({
  name: 'reset-on-data',
  summary: 'a connection is reset at its first data',
  signature: 'connects work; the first request is answered with a reset',
  parameters: onConnection,
  changes: (topology, parameters) =>
    atDestination(topology, parameters, {
      vantage: parameters.vantage,
      hooks: delivering,
      rules: (match) => [
        hit(`${match} ${destinationPort(parameters.port)} tcp flags & psh == psh`, 'reject with tcp reset'),
      ],
    }),
})

const resetAfterBytes = defineFault({
  name: 'reset-after-bytes',
  summary: 'a connection is reset once it has answered a number of bytes',
  signature: 'small answers work; big ones break off with a reset at that size',
  parameters: z.strictObject({
    ...between('forward'),
    vantage: vantage('both'),
    port: port(podPort),
    size: bytes(30_000, 'bytes of answer after which the reset comes'),
  }),
  changes: (topology, parameters) =>
    atDestination(topology, parameters, {
      vantage: parameters.vantage,
      hooks: delivering,
      rules: (match) => [
        hit(
          `${match} ${destinationPort(parameters.port)} ct reply bytes > ${parameters.size}`,
          'reject with tcp reset',
        ),
      ],
    }),
})

const acceptQueueFull = defineFault({
  name: 'accept-queue-full',
  summary: 'a listener no longer accepts connections and its queue is full',
  signature: 'connects to the port time out and ListenOverflows grows; other ports, UDP and ping work',
  parameters: z.strictObject({
    pod: z.string().default('pod2').describe('pod of the listener'),
    port: port(podPort),
  }),
  changes: (topology, parameters, { number }) => {
    const { name } = selectPod(topology, parameters.pod)
    // Outside the range source ports are taken from (32768 to 60999).
    const fullPort = 61_000 + number
    return [
      { kind: 'helper', namespace: name, argv: [process.execPath, fullListener, String(fullPort)] },
      {
        kind: 'table',
        namespace: name,
        table: {
          family: 'inet',
          hooks: [{ type: 'nat', hook: 'prerouting', priority: -100 }],
          rules: [`tcp dport ${parameters.port} redirect to :${fullPort}`],
        },
      },
      { kind: 'counter', namespace: name, script: "nstat -asz TcpExtListenOverflows | awk 'NR == 2 { print $2 }'" },
    ]
  },
})

export const tcpFaults = [firstSynLost, synAckLost, resetOnData, resetAfterBytes, acceptQueueFull] as const

const fullListener = fileURLToPath(new URL('../../dist/daemons/full-listener.js', import.meta.url))

function destinationPort(number: number): string {
  return number === 0 ? '' : `tcp dport ${number}`
}

import { z } from 'zod'
import { type Answers, answersPath, resolvConf, resolvConfPath } from '../dns.ts'
import { deadDnsAddress, dnsAddress, type Pod, type Topology } from '../topology.ts'
import { type Change, defineFault, type Hook, milliseconds, type Words } from './fault.ts'
import { arriving, hit, ip, tableAt, toPod } from './rules.ts'
import { selectPod } from './selection.ts'
import { file } from './settings.ts'

const replica = z.coerce.string().default('any').describe('number of the name server, or any')
const needsDns = { dnsReplicas: 1 } as const

const answering = (answers: Answers, words: Words) =>
  defineFault({
    ...words,
    needs: needsDns,
    parameters: z.strictObject({ replica }),
    changes: (topology, parameters) => answerWith(topology, parameters.replica, answers),
  })

const dnsSlow = defineFault({
  name: 'dns-slow',
  summary: 'name servers answer late',
  signature: 'every lookup takes that much longer; beyond 5 s resolvers ask again',
  needs: needsDns,
  parameters: z.strictObject({ replica, milliseconds: milliseconds(700, 'how late the answers are') }),
  changes: (topology, parameters) =>
    answerWith(topology, parameters.replica, { mode: 'slow', milliseconds: parameters.milliseconds }),
})

const dnsTruncated = defineFault({
  name: 'dns-truncated',
  summary: 'name servers truncate UDP answers and TCP to them is dropped',
  signature: 'answers over UDP bear the TC flag, the retry over TCP times out; lookups fail after many seconds',
  needs: needsDns,
  parameters: z.strictObject({ replica }),
  changes: (topology, parameters) => [
    ...answerWith(topology, parameters.replica, { mode: 'truncate' }),
    ...serversOf(topology, parameters.replica).map((pod) =>
      toPod(topology, pod, (match) => [hit(`${match} tcp dport 53`, 'drop')]),
    ),
  ],
})

const dnsRace = defineFault({
  name: 'dns-race',
  summary: 'of two queries sent at once from one socket the second is lost',
  signature: 'getaddrinfo, which asks for A and AAAA on one socket, takes 5 s or 10 s; single queries are fast',
  needs: needsDns,
  parameters: z.strictObject({ replica }),
  changes: (topology, parameters) =>
    byNode(topology, serversOf(topology, parameters.replica)).map((namespace) => ({
      kind: 'table',
      namespace,
      table: {
        family: 'inet',
        hooks: arriving,
        sets: topology.families.map(
          (family) => `set asked-${family} { type ${family}_addr . inet_service; flags dynamic,timeout; timeout 1s; }`,
        ),
        rules: topology.families.flatMap((family) => {
          const socket = `${ip[family]} saddr . udp sport`
          return [
            hit(`udp dport 53 ${socket} @asked-${family}`, 'drop'),
            `udp dport 53 add @asked-${family} { ${socket} }`,
          ]
        }),
      },
    })),
})

const dnsReplicaDead = defineFault({
  name: 'dns-replica-dead',
  summary: 'one of several name servers is silent',
  signature: 'its share of the lookups through the cluster address times out; asked directly, the others all answer',
  needs: { dnsReplicas: 2 },
  parameters: z.strictObject({ replica: z.coerce.string().default('2').describe('number of the name server') }),
  changes: (topology, parameters) =>
    serversOf(topology, parameters.replica).map((pod) =>
      toPod(topology, pod, (match) => [hit(`${match} th dport 53`, 'drop')]),
    ),
})

const dnsFirstServerDead = defineFault({
  name: 'dns-first-server-dead',
  summary: 'the first name server in resolv.conf is silent',
  signature: 'getaddrinfo takes 5 s longer, then answers; the second name server asked directly is fast',
  needs: needsDns,
  parameters: z.strictObject({ pod: z.string().default('any').describe('pod whose resolv.conf it is, or any') }),
  changes: (topology, parameters) => {
    const pods = parameters.pod === 'any' ? topology.pods : [selectPod(topology, parameters.pod)]
    const rules = topology.families.map((family) => hit(`${ip[family]} daddr ${deadDnsAddress[family]}`, 'drop'))
    return [
      ...byNode(topology, pods).map(
        (namespace): Change => ({ kind: 'table', namespace, table: { family: 'inet', hooks: arriving, rules } }),
      ),
      ...pods.map(
        (pod): Change => ({
          kind: 'setting',
          setting: file(resolvConfPath(pod.name)),
          value: resolvConf(topology, [deadDnsAddress, dnsAddress]),
        }),
      ),
    ]
  },
})

const dnsNoEndpoints = defineFault({
  name: 'dns-no-endpoints',
  summary: 'no name server is ready behind the cluster DNS address, so nodes refuse it',
  signature: 'lookups over UDP and TCP are refused at once',
  needs: needsDns,
  parameters: z.strictObject({}),
  changes: (topology) => {
    const hooks: readonly Hook[] = [...arriving, { hook: 'output', priority: -300 }]
    const refused = 'reject with icmpx type port-unreachable'
    const rules = topology.families.map((family) => hit(`${ip[family]} daddr ${dnsAddress[family]}`, refused))
    return [
      ...topology.nodes.map((node) => tableAt(node, hooks, rules)),
      // What is not ready does not listen.
      ...topology.nameServers.map((pod) => toPod(topology, pod, (match) => [hit(`${match} th dport 53`, refused)])),
    ]
  },
})

export const dnsFaults = [
  answering(
    { mode: 'silent' },
    { name: 'dns-down', summary: 'name servers do not answer', signature: 'every lookup times out' },
  ),
  dnsSlow,
  answering(
    {
      mode: 'lossy',
    },
    {
      name: 'dns-lossy',
      summary: 'name servers miss every second query',
      signature: 'every other lookup times out once',
    },
  ),
  answering(
    {
      mode: 'servfail',
    },
    {
      name: 'dns-servfail',
      summary: 'name servers answer SERVFAIL',
      signature: 'every lookup fails at once with SERVFAIL',
    },
  ),
  answering(
    { mode: 'nxdomain' },
    { name: 'dns-nxdomain', summary: 'name servers answer NXDOMAIN', signature: 'every name is said not to exist' },
  ),
  answering(
    {
      mode: 'refused',
    },
    {
      name: 'dns-refused',
      summary: 'name servers answer REFUSED',
      signature: 'every lookup fails at once with REFUSED',
    },
  ),
  dnsTruncated,
  dnsRace,
  dnsReplicaDead,
  dnsFirstServerDead,
  dnsNoEndpoints,
] as const

/** Changes how name servers answer, and counts the queries they receive meanwhile. */
function answerWith(topology: Topology, which: string, answers: Answers): readonly Change[] {
  return serversOf(topology, which).flatMap((pod): readonly Change[] => [
    toPod(topology, pod, (match) => [hit(`${match} th dport 53`)]),
    { kind: 'setting', setting: file(answersPath(pod.name)), value: JSON.stringify(answers) },
  ])
}

function serversOf(topology: Topology, which: string): readonly Pod[] {
  return which === 'any' ? topology.nameServers : [selectPod(topology, `dns${which}`)]
}

function byNode(topology: Topology, pods: readonly Pod[]): readonly string[] {
  return topology.nodes.filter((node) => pods.some((pod) => pod.node === node.number)).map((node) => node.name)
}

import { afterAll, beforeAll, expect, test } from 'vitest'
import { testWith } from '../support/requirements.ts'
import { agentsIn, missingResults, wrongPeers } from './support/agents.ts'
import { podsIn } from './support/api.ts'
import { machinery, on } from './support/machinery.ts'
import { install, type Release } from './support/release.ts'
import { kubectl, outcomeOf } from './support/run.ts'
import { untilRight } from './support/until.ts'

// Incidents as Events of the nodes they name.

const namespace = 'scout-events'
const table = 'inet scout-events'
const limit = { timeout: 240_000 }

let release: Release
beforeAll(async () => {
  release = await install({ namespace, values: { nodeEvents: true } })
})
afterAll(() => release?.remove())

test('the chart grants the right to create Events of nodes only if the values say so', limit, async () => {
  expect(await mayCreate()).toBe(true)
  await release.upgrade({ nodeEvents: false })
  expect(await mayCreate()).toBe(false)
  await release.upgrade({ nodeEvents: true })
})

testWith(machinery)('a fault between two nodes is an Event of both, and its end is another', limit, async () => {
  await untilRight(60_000, async () => {
    const agents = await agentsIn(namespace)
    return [...wrongPeers(agents), ...missingResults(agents, ['http', 'udp', 'icmp'])]
  })
  const dropped = ['node2', 'node3'].map((node) => `${node}: no Event of UDP that is dropped`)
  await on('node2', 'nft', `table ${table} {\nchain forward {\n${chain.join('\n')}\n}\n}`)
  try {
    await untilRight(90_000, async () => {
      const found = (await events()).filter(({ reason, type }) => reason === 'ProtocolFiltered' && type === 'Warning')
      return dropped.filter((text) => !found.some(({ regarding }) => text.startsWith(`${regarding.name}:`)))
    })
    expect(await kubectl('describe', 'node', 'node3')).toMatch(/^ +Warning +ProtocolFiltered .* scout /m)
  } finally {
    await on('node2', 'nft', `delete table ${table}`)
  }
  await untilRight(90_000, async () => {
    const found = (await events()).filter(({ note, type }) => note.startsWith('closed after') && type === 'Normal')
    return ['node2', 'node3'].filter((node) => !found.some(({ regarding }) => regarding.name === node))
  })
})

/** UDP to Scout between the pods of node2 and node3, both ways and over both families. */
const chain = [
  'type filter hook forward priority filter',
  'ip saddr 10.244.2.0/24 ip daddr 10.244.3.0/24 udp dport 8081 drop',
  'ip saddr 10.244.3.0/24 ip daddr 10.244.2.0/24 udp dport 8081 drop',
  'ip6 saddr fd00:10:244:2::/64 ip6 daddr fd00:10:244:3::/64 udp dport 8081 drop',
  'ip6 saddr fd00:10:244:3::/64 ip6 daddr fd00:10:244:2::/64 udp dport 8081 drop',
]

interface Event {
  readonly reason: string
  readonly note: string
  readonly type: string
  readonly reportingInstance: string
  readonly regarding: { readonly kind: string; readonly name: string }
}

/** The Events that the present agents have written. */
async function events(): Promise<readonly Event[]> {
  const pods = (await podsIn(namespace, 'app.kubernetes.io/name=scout')).map(({ metadata }) => metadata.name)
  const text = await kubectl('--namespace', 'default', 'get', 'events.events.k8s.io', '--output', 'json')
  const { items } = JSON.parse(text) as { readonly items: readonly Event[] }
  return items.filter(({ reportingInstance }) => pods.includes(reportingInstance))
}

async function mayCreate(): Promise<boolean> {
  const account = `system:serviceaccount:${namespace}:scout`
  const what = ['auth', 'can-i', 'create', 'events.events.k8s.io', '--namespace', 'default', '--as', account]
  return (await outcomeOf('kubectl', what)).stdout.trim() === 'yes'
}

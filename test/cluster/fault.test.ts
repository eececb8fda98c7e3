import { afterAll, beforeAll, expect } from 'vitest'
import { testWith } from '../support/requirements.ts'
import { type AgentView, addressesOf, agentsIn, missingResults, wrongPeers } from './support/agents.ts'
import { machinery, on } from './support/machinery.ts'
import { install, type Release } from './support/release.ts'
import { untilRight } from './support/until.ts'

const namespace = 'scout-fault'
const table = 'inet scout-fault'

let release: Release
beforeAll(async () => {
  if (machinery.isMet)
    release = await install({ namespace, values: { 'config.interval': '1s', 'config.timeout': '1s' } })
})
afterAll(() => release?.remove())

testWith(machinery)(
  'UDP dropped on the way to one node fails that link over UDP and nothing else, and recovers',
  async () => {
    await untilRight(20_000, allGood)
    const [from = expect.fail('no agent'), to = expect.fail('one agent alone')] = await agentsIn(namespace)
    const [ipv4 = '', ipv6 = ''] = addressesOf(to.pod)
    const node = from.row.self.node
    await nft(
      node,
      `table ${table} {
      chain forward {
        type filter hook forward priority filter
        ip daddr ${ipv4} udp dport 8081 drop
        ip6 daddr ${ipv6} udp dport 8081 drop
      }
    }`,
    )
    try {
      const expected = ['ipv4', 'ipv6'].map((family) => `udp ${family} ${node} -> ${to.row.self.node}`)
      await untilRight(20_000, async () => {
        const failing = failingNow(await agentsIn(namespace))
        return expected.filter((link) => !failing.includes(link)).map((link) => `${link} does not fail`)
      })
      expect([...new Set(failingNow(await agentsIn(namespace)))].toSorted()).toEqual(expected)
    } finally {
      await nft(node, `delete table ${table}`)
    }
    await untilRight(20_000, allGood)
  },
)

async function allGood(): Promise<readonly string[]> {
  const agents = await agentsIn(namespace)
  const failing = failingNow(agents).map((link) => `${link} fails`)
  return [...wrongPeers(agents), ...missingResults(agents, ['http', 'tcp', 'udp', 'icmp']), ...failing]
}

function failingNow(agents: readonly AgentView[]): readonly string[] {
  return agents.flatMap(({ row }) =>
    row.series
      .filter(({ state }) => state === 'failing')
      .map(({ protocol, family, from, to }) => `${protocol} ${family} ${from} -> ${to}`),
  )
}

function nft(node: string, ruleset: string): Promise<string> {
  return on(node, 'nft', ruleset)
}

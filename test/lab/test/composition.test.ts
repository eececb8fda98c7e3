import { expect, test } from 'vitest'
import { describeWith } from '../../support/requirements.ts'
import { type Fault, faults, type Lab } from '../src/index.ts'
import { allOk, observe } from './support/battery.ts'
import { useLab } from './support/lab.ts'
import { labNeeds } from './support/namespaces.ts'

const stateScript = [
  'nft list ruleset',
  'ip -4 route; ip -6 route; ip -4 rule; ip -o addr | sed "s/valid_lft.*//"',
  'ip -o link | sed "s/@.*mtu/ mtu/; s/state.*//"',
  'ip neigh show nud permanent; bridge fdb show | grep dst',
  'tc qdisc show',
  'cd /proc/sys/net; cat ipv4/ip_local_port_range ipv4/ip_local_reserved_ports ipv4/conf/all/rp_filter netfilter/nf_conntrack_tcp_loose',
  'cat netfilter/nf_conntrack_tcp_timeout_established /run/scout-lab/*.answers /run/scout-lab/*.resolv.conf',
].join('\n')

describeWith(...labNeeds)('all faults together', () => {
  const lab = useLab({ network: 'vxlan', nodes: 4, zones: 2, dnsReplicas: 2 }, ['pod1', 'pod2', 'pod3', 'node2'])

  test('any number of faults can be healed in any order, and nothing of them stays', { timeout: 120_000 }, async () => {
    const before = await stateOf(lab())
    const injections = []
    // Twice, so that every fault also meets itself.
    for (const fault of [...faults, ...faults].filter(fits))
      injections.push(await lab().inject(fault.name, fitting[fault.name]))
    expect(await stateOf(lab())).not.toEqual(before)
    for (const injection of shuffled(injections)) await injection.heal()
    expect(await stateOf(lab())).toEqual(before)
    expect(await observe(lab())).toEqual(allOk)
  })

  test('of two faults with the same setting the later one holds until healed, then the earlier one', async () => {
    const first = await lab().inject('dns-servfail')
    const second = await lab().inject('dns-refused')
    const seen = [(await observe(lab())).dns]
    await second.heal()
    seen.push((await observe(lab())).dns)
    await first.heal()
    seen.push((await observe(lab())).dns)
    expect(seen).toEqual(['refused', 'servfail', 'ok'])
  })

  test('a fault that fails half way leaves nothing behind', async () => {
    const before = await stateOf(lab())
    const move = (from: string, to: string) =>
      lab().run('underlay', ['mv', `/run/scout-lab/${from}`, `/run/scout-lab/${to}`])
    await move('pod3.resolv.conf', 'away')
    await expect(lab().inject('dns-first-server-dead')).rejects.toThrow(
      'cannot change file /run/scout-lab/pod3.resolv.conf',
    )
    await move('away', 'pod3.resolv.conf')
    expect(lab().injections).toEqual([])
    expect(await stateOf(lab())).toEqual(before)
  })
})

/** Parameters for faults that would get in the way of others: a node cannot be given a route through an address of its own. */
const fitting: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  'duplicate-address': { node: 3, thief: 4 },
}

function fits({ needs }: Fault): boolean {
  return needs?.network !== 'routed'
}

async function stateOf(lab: Lab): Promise<Readonly<Record<string, string>>> {
  const { nodes, pods } = lab.topology
  const places = [...[...nodes, ...pods].map(({ name }) => name), 'underlay', 'router']
  const states = await Promise.all(
    places.map(async (place) => [place, (await lab.run(place, ['sh', '-c', stateScript])).stdout] as const),
  )
  return Object.fromEntries(states)
}

/** The same mixture every time, far from the order it came in. */
function shuffled<T>(items: readonly T[]): readonly T[] {
  return items
    .map((item, index) => ({ item, key: (index * 7919) % 1009 }))
    .toSorted((a, b) => a.key - b.key)
    .map(({ item }) => item)
}

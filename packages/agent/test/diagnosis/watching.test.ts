import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { startWatching, type Way } from '../support/watching.ts'

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 2, 12, 0, 5) })
})
afterEach(() => {
  vi.useRealTimers()
})

const udpBetween =
  (a: string, b: string) =>
  ({ from, to, protocol }: Way) =>
    protocol === 'udp' && [a, b].includes(from) && [a, b].includes(to)

const across =
  (side: readonly string[]) =>
  ({ from, to }: Way) =>
    side.includes(from) !== side.includes(to)

describe('agents that diagnose together', () => {
  test('say nothing while all is well, and send a message to each watcher every ten seconds', async () => {
    const world = startWatching({ nodes: 6 })
    await world.pass(180_000)
    expect(world.said).toEqual([])
    const [speaker] = world.speakers()
    expect(world.speakers()).toHaveLength(1)
    expect(world.at(speaker ?? '').view()).toMatchObject({ rows: 6, ready: 6, missing: [], incidents: [] })
    for (const { messages } of world.traffic.values()) expect(messages).toBeLessThanOrEqual(3 * 20)
  })

  test('tell the others when the state of a link has changed, and only then', async () => {
    const world = startWatching({ nodes: 6 })
    await world.pass(60_000)
    const { watchers } = world.at('node-1').speaker()
    const others = ['node-1', 'node-2', 'node-3', 'node-4', 'node-5', 'node-6'].filter(
      (node) => !watchers.includes(node),
    )
    const [a = '', b = '', c = ''] = others
    const before = world.at(c).changes().links
    await world.pass(60_000)
    expect(world.at(c).changes().links).toBe(before)
    world.drop(udpBetween(a, b))
    await world.pass(30_000)
    expect(world.at(c).changes().links).not.toBe(before)
  })

  test('name one fault once, say when it ends, and all know it', async () => {
    const world = startWatching({ nodes: 4 })
    await world.pass(30_000)
    world.drop(udpBetween('node-1', 'node-2'))
    await world.pass(20_000)
    expect(world.said).toMatchObject([
      { change: 'opened', incident: { cause: 'protocol-filtered', state: 'transient' }, sight: 'sees all 4 rows' },
    ])
    await world.pass(20_000)
    for (let node = 1; node <= 4; node++) {
      const { incidents, speaker } = world.at(`node-${node}`).view()
      expect(incidents).toMatchObject([{ id: world.said[0]?.incident.id, state: 'open' }])
      expect(speaker).toBe(world.said[0]?.by)
    }
    world.drop(() => false)
    await world.pass(12_000)
    expect(world.said.map(({ change }) => change)).toEqual(['opened', 'closed'])
    await world.pass(15_000)
    for (let node = 1; node <= 4; node++)
      expect(world.at(`node-${node}`).view().incidents).toMatchObject([{ state: 'closed' }])
  })

  test('name two faults that begin together at one place, each by an id of its own', async () => {
    const world = startWatching({ nodes: 4 })
    await world.pass(30_000)
    world.drop(({ from, to, protocol }) => protocol !== 'tcp' && across(['node-2'])({ from, to, protocol }))
    await world.pass(30_000)
    const opened = world.said.filter(({ change }) => change === 'opened').map(({ incident }) => incident)
    expect(opened.map(({ cause }) => cause).toSorted()).toEqual(['icmp-filtered', 'protocol-filtered'])
    expect(new Set(opened.map(({ scope }) => JSON.stringify(scope))).size).toBe(1)
    expect(new Set(opened.map(({ id }) => id)).size).toBe(2)
  })

  test('say in which direction packets are lost, as the agents at both ends count them', async () => {
    const world = startWatching({ nodes: 4 })
    await world.pass(30_000)
    const shares = {
      tenth: { lost: 30, of: 300, low: 0.07, high: 0.14 },
      none: { lost: 0, of: 300, low: 0, high: 0.01 },
    }
    const sinceMs = Date.now()
    world.lose(({ from, to, protocol }) => {
      const isForth = from === 'node-1' && to === 'node-2'
      if (!isForth && !(from === 'node-2' && to === 'node-1')) return undefined
      const [forth, back] = isForth ? [shares.tenth, shares.none] : [shares.none, shares.tenth]
      return { low: 0.07, high: 0.14, ...(protocol === 'udp' ? { forth, back } : {}), sinceMs, trials: 300 }
    })
    await world.pass(20_000)
    expect(world.at('node-4').view().incidents).toMatchObject([
      {
        cause: 'packet-loss',
        scope: { kind: 'link', from: 'node-1', to: 'node-2' },
        direction: 'forward',
        summary: '10 % (7.8 % to 13 %) of packets from node-1 to node-2 are lost, none on the way back',
      },
    ])
  })

  test('tell what one of them has collected with the incident, by the clock of the watcher', async () => {
    const world = startWatching({ nodes: 4, aheadMs: { 'node-1': 3_000, 'node-2': 3_000 } })
    await world.pass(30_000)
    world.drop(udpBetween('node-1', 'node-2'))
    await world.pass(20_000)
    const says = 'all 8 flows are lost after 10.0.0.254, the last hop that answers, over udp'
    const about = { incident: world.said[0]?.incident.id ?? '', proof: 'trace', target: '10.0.0.2:8081' }
    const one = { ...about, to: 'node-2', atMs: Date.now(), says, packets: 24, values: {} }
    world.collect('node-1', [one, { ...one, to: 'node-3', says: 'of a link that is well' }])
    await world.pass(10_000)
    const evidence = world
      .at(world.speakers()[0] ?? '')
      .view()
      .incidents.flatMap((incident) => incident.evidence)
    expect(evidence.filter((line) => line.startsWith('trace'))).toEqual([`trace from node-1 to node-2: ${says}`])
  })

  test('find the node whose clock is wrong, though everything passes', async () => {
    const world = startWatching({ nodes: 4, aheadMs: { 'node-3': 40_000 } })
    await world.pass(60_000)
    const named = world.said.map(({ incident: { cause, scope, severity } }) => ({ cause, scope, severity }))
    expect(named).toEqual([{ cause: 'clock-skew', scope: { kind: 'node', node: 'node-3' }, severity: 'informational' }])
  })

  test('keep the id of an incident when the watcher that speaks is killed, within ten seconds', async () => {
    const world = startWatching({ nodes: 6 })
    await world.pass(30_000)
    const [first = ''] = world.speakers()
    const others = ['node-1', 'node-2', 'node-3', 'node-4', 'node-5', 'node-6'].filter((node) => node !== first)
    world.drop(udpBetween(others[0] ?? '', others[1] ?? ''))
    await world.pass(40_000)
    const { id } = world.said[0]?.incident ?? {}
    world.kill(first)
    await world.pass(10_000)
    const [second = ''] = world.speakers()
    expect(world.speakers()).toHaveLength(1)
    expect(others).toContain(second)
    expect(world.at(second).view().incidents).toContainEqual(
      expect.objectContaining({ id, state: 'open', cause: 'protocol-filtered' }),
    )
    expect(world.at(second).view()).toMatchObject({ rows: 5, ready: 6, missing: [{ node: first }] })

    // It comes back without memory, and takes over the id.
    world.restart(first)
    await world.pass(40_000)
    expect(world.speakers()).toEqual([first])
    expect(world.at(first).view().incidents).toContainEqual(expect.objectContaining({ id, state: 'open' }))
    const ofFault = world.said.filter(({ incident }) => incident.id === id)
    // What the death of a node looks like at first may change how the fault is named, and never that it lasts.
    expect(ofFault.map(({ change }) => change).filter((change) => change !== 'changed')).toEqual(['opened'])
  })

  test('speak on both sides of a partition, and say there what they cannot see', async () => {
    const world = startWatching({ nodes: 6, zones: 2 })
    await world.pass(30_000)
    const side = ['node-1', 'node-3', 'node-5']
    world.drop(across(side))
    await world.pass(60_000)
    const speakers = world.speakers()
    expect(speakers).toHaveLength(2)
    expect(speakers.filter((node) => side.includes(node))).toHaveLength(1)
    for (const node of speakers) {
      const { rows, ready, missing, incidents } = world.at(node).view()
      expect({ rows, ready, missing: missing.map((one) => side.includes(one.node)) }).toEqual({
        rows: 3,
        ready: 6,
        missing: Array.from({ length: 3 }, () => !side.includes(node)),
      })
      expect(incidents).toMatchObject([{ cause: 'zone-partition', state: 'open' }])
    }
    expect(world.said.at(-1)?.sight).toMatch(/^sees 3 of 6 rows: none from node-\d, node-\d, node-\d$/)

    world.drop(() => false)
    await world.pass(40_000)
    expect(world.speakers()).toHaveLength(1)
    for (let node = 1; node <= 6; node++)
      for (const { state } of world.at(`node-${node}`).view().incidents) expect(state).toBe('closed')
  })

  test('speak for a node alone that reaches no other', async () => {
    const world = startWatching({ nodes: 5, zones: 5 })
    await world.pass(30_000)
    world.drop(across(['node-4']))
    await world.pass(60_000)
    expect(world.at('node-4').view()).toMatchObject({ isSpeaking: true, rows: 1, ready: 5 })
    expect(world.speakers()).toHaveLength(2)
  })

  test('reach a watcher through another peer where the direct way fails', async () => {
    const world = startWatching({ nodes: 6 })
    await world.pass(30_000)
    const [speaker = ''] = world.speakers()
    const other = speaker === 'node-1' ? 'node-2' : 'node-1'
    world.drop(across([other]))
    world.drop(({ from, to }) => [from, to].includes(speaker) && [from, to].includes(other))
    await world.pass(60_000)
    expect(world.speakers()).toEqual([speaker])
    expect(world.at(speaker).view()).toMatchObject({ rows: 6, ready: 6, missing: [] })
    expect(world.at(other).report().sent['relayed']).toBeGreaterThan(3)
    expect(world.said).toMatchObject([{ change: 'opened', incident: { scope: { kind: 'link' } } }])
  })

  test('call a link that comes and goes flapping, and close that only when it has been calm for minutes', async () => {
    const world = startWatching({ nodes: 4 })
    await world.pass(30_000)
    for (let time = 0; time < 5; time++) {
      world.drop(udpBetween('node-1', 'node-2'))
      await world.pass(20_000)
      world.drop(() => false)
      await world.pass(15_000)
    }
    const latest = () => world.at(world.speakers()[0] ?? '').view().incidents
    expect(latest()).toMatchObject([{ cause: 'link-flapping', state: 'open' }])
    expect(new Set(world.said.map(({ incident }) => incident.id)).size).toBe(1)
    await world.pass(120_000)
    expect(latest()).toMatchObject([{ state: 'open' }])
    await world.pass(600_000)
    expect(latest()).toMatchObject([{ state: 'closed' }])
  })
})

describe('evidence', () => {
  test.each([
    { what: 'without a signature', key: 'secret', query: '', outcome: 'unsigned' },
    { what: 'signed with another key', key: 'secret', query: '&signature=00ff', outcome: 'unsigned' },
    { what: 'that is not JSON', key: '', query: '', outcome: 'malformed' },
  ])('$what is rejected and counted as $outcome', async ({ key, query, outcome }) => {
    const world = startWatching({ nodes: 2, key })
    const url = `/evidence?name=agent-of-node-2&process=x&startedAtMs=1${query}`
    const agent = world.at('node-1')
    expect(await agent.receive({ method: 'POST', url, from: '10.0.0.2', body: '{' })).toMatchObject({ accepted: false })
    expect(agent.report().received[outcome]).toBe(1)
  })

  test.each([
    { what: 'an address that is no peer', from: '10.0.0.9', name: 'agent-of-node-2', node: 'node-2' },
    { what: 'a peer under the name of another', from: '10.0.0.2', name: 'agent-of-node-1', node: 'node-1' },
    { what: 'a peer about the node of another', from: '10.0.0.2', name: 'agent-of-node-2', node: 'node-1' },
  ])('from $what is rejected and counted as unknown', async ({ from, name, node }) => {
    const world = startWatching({ nodes: 2 })
    const agent = world.at('node-1')
    const message = {
      from: { name, process: 'x', startedAtMs: 1 },
      sequence: 1,
      takenAtMs: Date.now(),
      nextMs: 2_000,
      baseId: 1,
      facts: [],
      unknown: [],
      node: { name: node, isStarved: false },
    }
    const url = `/evidence?name=${name}&process=x&startedAtMs=1`
    await agent.receive({ method: 'POST', url, from, body: JSON.stringify(message) })
    expect(agent.report()).toMatchObject({ rows: 1, received: { unknown: 1, accepted: 0 } })
  })

  test('of a known peer that lies is malformed if there is more of it than may be; the watcher goes on beside as much as may be', async () => {
    const world = startWatching({ nodes: 3 })
    await world.pass(30_000)
    const agent = world.at(world.speakers()[0] ?? '')
    const liar = [1, 2, 3].find((number) => agent !== world.at(`node-${number}`)) ?? 0
    const send = async (count: number) => {
      const nowMs = Date.now()
      const facts = Array.from({ length: count }, (_, index) => ({
        check: `c${index % 50}`,
        protocol: 'tcp',
        path: 'pod',
        vantage: 'pod',
        family: index % 2 === 0 ? 'ipv4' : 'ipv6',
        to: { kind: 'node', name: `nowhere-${index}` },
        target: '',
        symptom: ['silent', 'refused', 'reset', 'lossy'][index % 4],
        sinceMs: nowMs - 60_000 - index,
        trials: Number.MAX_SAFE_INTEGER,
        lastMs: nowMs,
      }))
      const message = {
        from: { name: `agent-of-node-${liar}`, process: 'liar', startedAtMs: nowMs },
        sequence: count,
        takenAtMs: nowMs,
        nextMs: 60_000,
        baseId: 1,
        facts,
        unknown: [],
        node: { name: `node-${liar}`, isStarved: false },
      }
      const url = `/evidence?name=agent-of-node-${liar}&process=liar&startedAtMs=${nowMs}`
      return agent.receive({ method: 'POST', url, from: `10.0.0.${liar}`, body: JSON.stringify(message) })
    }
    expect(await send(10_000)).toMatchObject({ accepted: false, because: 'malformed' })
    expect(await send(1_024)).toMatchObject({ accepted: true })
    await world.pass(10_000)
    expect(agent.report().received).toMatchObject({ malformed: 1 })
    expect(world.speakers()).toHaveLength(1)
  })

  test('of one peer beyond a burst is refused', async () => {
    const world = startWatching({ nodes: 2 })
    const agent = world.at('node-1')
    const url = '/evidence?name=agent-of-node-2&process=x&startedAtMs=1'
    for (let time = 0; time < 40; time++) await agent.receive({ method: 'POST', url, from: '10.0.0.2', body: '' })
    expect(agent.report().received).toMatchObject({ malformed: 32, refused: 8 })
  })

  test('is accepted between agents that share a key', async () => {
    const world = startWatching({ nodes: 3, key: 'secret' })
    await world.pass(30_000)
    const [speaker = ''] = world.speakers()
    expect(world.at(speaker).report()).toMatchObject({ rows: 3, ready: 3, received: { unsigned: 0 } })
  })
})

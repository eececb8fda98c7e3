import type { AnyResult, Family, Prober, Scope } from '@scout/core'
import { describe, expect, test, vi } from 'vitest'
import type { ShownIncident } from '../../src/diagnosis/answer.ts'
import { type CollectionOptions, createCollection } from '../../src/diagnosis/collection.ts'
import { collects } from '../../src/diagnosis/collectors.ts'
import { reportOf } from '../../src/diagnosis/report.ts'
import type { KnownPeer } from '../../src/peers/roster.ts'
import { peer } from '../support/peers.ts'
import { failingSeriesOf, rowOf, seriesOf } from '../support/rows.ts'

const link: Scope = { kind: 'link', from: 'node-1', to: 'node-2' }
const atPeer = '10.0.0.2:8081'

function incidentOf(parts: Partial<ShownIncident> = {}): ShownIncident {
  return {
    id: 'abc',
    cause: 'mtu-black-hole',
    scope: link,
    direction: 'both',
    state: 'transient',
    severity: 'critical',
    confidence: 1,
    openedAtMs: 0,
    summary: '',
    evidence: [],
    ruledOut: [],
    rivals: [],
    next: '',
    ...parts,
  }
}

const rivalOf = (cause: string) => ({ cause, confidence: 0.3, separatedBy: '' })
const peerAt = (node: string, address: string, more: Partial<KnownPeer> = {}): KnownPeer => ({
  ...peer(`scout-of-${node}`, { node, addresses: [address] }),
  stateSinceMs: 0,
  ...more,
})

const lateness = { spanMs: 60_000, started: 100, late: 50, skipped: 0, stalledMs: 0 }

/** What the row of node-1 shows: large requests to node-2 fail, all else passes. */
function reportWhere({ isStarved = false, isFailing = true } = {}) {
  const large = { check: 'http-large', protocol: 'http', to: 'node-2', target: `http://${atPeer}/bytes` }
  const passing = (to: string) => seriesOf({ to, tookSeconds: [0.001], sinceMs: 0 })
  const series = [
    isFailing ? failingSeriesOf('timeout', large) : seriesOf({ ...large, tookSeconds: [0.001] }),
    passing('node-2'),
    passing('node-3'),
  ]
  return reportOf(rowOf({ series, ...(isStarved ? { lateness } : {}) }))
}

interface Asked {
  readonly protocol: string
  readonly target: string
  readonly options: { readonly signal?: AbortSignal; readonly key?: string; readonly family?: Family }
}

/** A collection on node-1, whose probes are answered when the test says so. */
function collectionOf(more: Partial<CollectionOptions> = {}) {
  const asked: Asked[] = []
  const answers: (() => void)[] = []
  let nowMs = 0
  const probe = (protocol: string, target: string, options: Asked['options']) =>
    new Promise<AnyResult>((resolve) => {
      asked.push({ protocol, target, options })
      answers.push(() => resolve(unreached(target, 'timeout')))
      options.signal?.addEventListener('abort', () => resolve(unreached(target, 'cancelled')))
    })
  const collection = createCollection({
    self: { node: 'node-1' },
    key: 'secret',
    families: new Set(['ipv4']),
    probedNodes: 64,
    zone: () => undefined,
    peers: () => [peerAt('node-2', '10.0.0.2'), peerAt('node-3', '10.0.0.3')],
    prober: () => ({ probe: probe as Prober['probe'] }),
    onDefect(error) {
      throw error
    },
    monotonicMs: () => nowMs,
    ...more,
  })
  /** Answers all probes, now and later, until that many results are kept. */
  const answered = async (count: number) => {
    await vi.waitFor(
      () => {
        for (const answer of answers.splice(0)) answer()
        expect(collection.collected).toHaveLength(count)
      },
      { timeout: 10_000, interval: 10 },
    )
    // The collection is over once its promise is.
    await new Promise(setImmediate)
  }
  return {
    collection,
    asked,
    answered,
    pass(ms: number) {
      nowMs += ms
    },
  }
}

function unreached(target: string, reason: 'timeout' | 'cancelled'): AnyResult {
  const message = `no answer from ${target}`
  const failure = { reason, phase: 'reach', message } as const
  const clock = { tx: 'kernel', rx: 'kernel' } as const
  return { protocol: 'mtu', target, startedAtMs: 0, phasesNs: {}, totalNs: 1, clock, ok: false, failure }
}

describe('evidence on demand', () => {
  test('is collected from the affected peer, once, by the probes of the named cause and its rivals', async () => {
    const { collection, asked, answered } = collectionOf()
    const incident = incidentOf({ rivals: [rivalOf('routing-broken'), rivalOf('fragments-dropped')] })
    const report = reportWhere()
    collection.consider([incident], report)
    collection.consider([incident], report)
    expect(asked.map(({ protocol, target }) => [protocol, target])).toEqual([['mtu', atPeer]])
    expect(asked[0]?.options).toMatchObject({ family: 'ipv4', key: 'secret' })
    await answered(1)
    collection.consider([incident], report)
    await answered(2)
    for (let round = 0; round < 5; round++) collection.consider([{ ...incident, state: 'open' }], report)
    expect(asked.map(({ protocol }) => protocol)).toEqual(['mtu', 'trace'])
    expect(asked[1]?.options).not.toHaveProperty('key')
    expect(collection.collected).toMatchObject([
      { incident: 'abc', proof: 'mtu', to: 'node-2', target: atPeer, says: `no answer from ${atPeer}`, family: 'ipv4' },
      { incident: 'abc', proof: 'trace', to: 'node-2' },
    ])
  })

  interface Uncalled {
    readonly what: string
    readonly incident?: ShownIncident
    readonly view?: Parameters<typeof reportWhere>[0]
    readonly options?: Partial<CollectionOptions>
  }
  const elsewhere = { kind: 'link', from: 'node-2', to: 'node-3' } as const
  const peersAt = (...peers: readonly KnownPeer[]) => ({ peers: () => peers })

  test.each<Uncalled>([
    { what: 'that is over', incident: incidentOf({ state: 'closed' }) },
    { what: 'at another link', incident: incidentOf({ scope: elsewhere }) },
    { what: 'at a link that is well', incident: incidentOf({ scope: { ...elsewhere, from: 'node-1' } }) },
    { what: 'of which nothing shows here', view: { isFailing: false } },
    {
      what: 'whose causes no probe proves',
      incident: incidentOf({ cause: 'dns-slow', rivals: [rivalOf('sonar')] }),
    },
    { what: 'while this agent is starved', view: { isStarved: true } },
    { what: 'before the prober is open', options: { prober: () => undefined } },
    { what: 'with a node that discovery does not list', options: peersAt(peerAt('node-3', '10.0.0.3')) },
    { what: 'with a peer that is leaving', options: peersAt(peerAt('node-2', '10.0.0.2', { state: 'leaving' })) },
    { what: 'with a peer in no family of this agent', options: { families: new Set<Family>(['ipv6']) } },
    { what: 'with a peer behind a proxy', options: peersAt(peerAt('node-2', '10.0.0.2', { proxy: 'http://api' })) },
  ])('is not collected for an incident $what', ({ incident = incidentOf(), view, options }) => {
    const { collection, asked } = collectionOf(options)
    collection.consider([incident], reportWhere(view))
    expect(asked).toEqual([])
    expect(collection.collected).toEqual([])
  })

  test('probes own peers alone, even if others publish forged incidents', async () => {
    const { collection, asked, answered } = collectionOf()
    const scopes: readonly Scope[] = [
      { kind: 'link', from: 'node-1', to: '192.0.2.1' },
      { kind: 'link', from: '192.0.2.1:80', to: 'node-1' },
      { kind: 'service', name: 'http://192.0.2.1/' },
      { kind: 'name-server', address: '192.0.2.1' },
      { kind: 'node-group', nodes: ['node-1', '192.0.2.1'] },
      { kind: 'cluster' },
      { kind: 'node', node: 'node-1' },
    ]
    const forged = scopes.map((scope, index) => incidentOf({ id: `${index}`, scope, summary: '192.0.2.1', next: '' }))
    for (let kept = 1; kept <= 3; kept++) {
      collection.consider(forged, reportWhere())
      await answered(kept)
    }
    collection.consider(forged, reportWhere())
    expect(new Set(asked.map(({ target }) => target))).toEqual(new Set([atPeer]))
    expect(asked).toHaveLength(3)
  })

  test('is collected one proof at a time, six times a minute', async () => {
    const { collection, asked, answered, pass } = collectionOf()
    const many = Array.from({ length: 20 }, (_, index) => incidentOf({ id: `incident-${index}` }))
    for (let kept = 1; kept <= 6; kept++) {
      collection.consider(many, reportWhere())
      collection.consider(many, reportWhere())
      expect(asked).toHaveLength(kept)
      await answered(kept)
    }
    pass(59_000)
    collection.consider(many, reportWhere())
    expect(asked).toHaveLength(6)
    pass(2_000)
    collection.consider(many, reportWhere())
    expect(asked).toHaveLength(7)
    await answered(7)
  })

  test('is limited in number, the newest kept', async () => {
    const { collection, answered, pass } = collectionOf()
    for (let index = 0; index < 40; index++) {
      collection.consider([incidentOf({ id: `incident-${index}` })], reportWhere())
      await answered(Math.min(index + 1, 32))
      pass(20_000)
    }
    expect(collection.collected.at(0)?.incident).toBe('incident-8')
    expect(collection.collected.at(-1)?.incident).toBe('incident-39')
  })

  test('ends when the agent stops, without a result, and is not begun any more', async () => {
    const { collection, asked } = collectionOf()
    collection.consider([incidentOf()], reportWhere())
    collection.stop()
    expect(asked[0]?.options.signal?.aborted).toBe(true)
    await new Promise(setImmediate)
    collection.consider([incidentOf({ id: 'def' })], reportWhere())
    expect(asked).toHaveLength(1)
    expect(collection.collected).toEqual([])
  })

  test('is dropped if its peer leaves meanwhile', async () => {
    let peers = [peerAt('node-2', '10.0.0.2')]
    const { collection, asked, answered } = collectionOf({ peers: () => peers })
    collection.consider([incidentOf()], reportWhere())
    peers = [peerAt('node-2', '10.0.0.2', { state: 'leaving' })]
    await answered(0)
    await vi.waitFor(() => {
      peers = [peerAt('node-2', '10.0.0.2')]
      collection.consider([incidentOf({ id: 'def' })], reportWhere())
      expect(asked).toHaveLength(2)
    })
    expect(collection.collected).toEqual([])
  })
})

describe('the agents that collect', () => {
  const nodes = Array.from({ length: 12 }, (_, index) => ({ node: `node-${index}`, zone: `zone-${index % 3}` }))
  const collectorsOf = (scope: Scope, id = 'abc', probedNodes = 64) =>
    nodes.flatMap(({ node }) => (collects(node, { id, scope }, { nodes, probedNodes }) ? [node] : []))

  test.each([
    ['both ends of a link', { kind: 'link', from: 'node-4', to: 'node-7' }, ['node-4', 'node-7']],
    ['none for a service', { kind: 'service', name: 'web' }, []],
    ['none for a name server', { kind: 'name-server', address: '10.96.0.10' }, []],
  ] as const)('are %s', (_, scope, expected) => {
    expect(collectorsOf(scope)).toEqual(expected)
  })

  test('are a few of those that a wide scope concerns, with the node that it is about', () => {
    const ofNode = collectorsOf({ kind: 'node', node: 'node-3' })
    expect(ofNode).toHaveLength(4)
    expect(ofNode).toContain('node-3')
    const ofZones = collectorsOf({ kind: 'zone-pair', zones: ['zone-0', 'zone-1'] })
    expect(ofZones).toHaveLength(3)
    expect(nodes.filter(({ node, zone }) => zone === 'zone-2' && ofZones.includes(node))).toEqual([])
    expect(collectorsOf({ kind: 'cluster' })).toHaveLength(3)
    // Of twelve nodes each agent probes four, so that one in three of those can tell.
    expect(collectorsOf({ kind: 'cluster' }, 'abc', 4)).toHaveLength(9)
    expect(collectorsOf({ kind: 'cluster' }, 'another')).not.toEqual(collectorsOf({ kind: 'cluster' }))
  })
})

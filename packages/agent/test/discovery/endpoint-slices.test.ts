import { describe, expect, it, onTestFinished } from 'vitest'
import { eventually } from '../../../../test/support/eventually.ts'
import { createSliceDiscovery, type SliceDiscoveryOptions } from '../../src/discovery/endpoint-slices.ts'
import { nodeConditionsOf } from '../../src/kubernetes/nodes.ts'
import type { Knowledge } from '../../src/peers/knowledge.ts'
import { type ApiDouble, answerStatus, answerWith, breakOff, startApiDouble } from '../support/api-double.ts'
import { conditions, endpoint, endpointSlice } from '../support/slices.ts'

function discover(api: ApiDouble, options: Partial<SliceDiscoveryOptions> = {}) {
  const told: Knowledge[] = []
  const oddities: string[] = []
  const discovery = createSliceDiscovery({
    access: { server: api.server, credentials: async () => ({}), renew() {} },
    namespace: 'scout',
    service: 'scout',
    port: 8081,
    nodeConditions: false,
    isFirstReadingNeeded: false,
    onOddity: (sentence) => oddities.push(sentence),
    onDefect: (error) => {
      throw error
    },
    timing: { answerMs: 500, retryFirstMs: 1, retryMostMs: 20 },
    ...options,
  })
  onTestFinished(() => discovery.stop())
  return {
    told,
    oddities,
    latest: () => told.at(-1),
    states: () => Object.fromEntries((told.at(-1)?.peers ?? []).map(({ name, state }) => [name, state])),
    started: discovery.start((knowledge) => told.push(knowledge)),
  }
}

describe('discovery by endpoint slices', () => {
  it('follows a pod from its start to its end', async () => {
    const api = await startApiDouble()
    const seen = discover(api)
    await seen.started
    for (const state of ['starting', 'ready', 'leaving'] as const) {
      api.set(endpointSlice('a', [endpoint('scout-1', ['10.0.0.1'], { conditions: conditions(state) })]))
      await eventually(() => seen.states()['scout-1'] === state, state)
    }
    api.set(endpointSlice('a', []))
    await eventually(() => seen.latest()?.peers.length === 0, 'gone')
    expect(api.requests.map(({ verb }) => verb)).toEqual(['list', 'watch'])
  })

  it('reports the source and age of its knowledge', async () => {
    const api = await startApiDouble()
    api.set(endpointSlice('a', [endpoint('scout-1', ['10.0.0.1'])]))
    const beforeMs = Date.now()
    const seen = discover(api)
    await eventually(() => seen.latest()?.peers.length === 1, 'a peer')
    expect(seen.latest()?.source).toBe(`service scout in namespace scout at ${api.server}`)
    expect(seen.latest()?.heardAtMs).toBeGreaterThanOrEqual(beforeMs)
  })

  it('starts without an API server, and finds the peers once it is up', async () => {
    const api = await startApiDouble()
    api.always(breakOff)
    api.set(endpointSlice('a', [endpoint('scout-1', ['10.0.0.1'])]))
    const seen = discover(api)
    await seen.started
    await eventually(() => seen.latest()?.trouble !== undefined, 'trouble')
    expect(seen.latest()).toMatchObject({ peers: [], heardAtMs: 0 })
    api.always(undefined)
    await eventually(() => seen.states()['scout-1'] === 'ready', 'a peer')
    await eventually(() => seen.latest()?.trouble === undefined, 'no trouble')
  })

  it('keeps the last known peers while the API server is down', async () => {
    const api = await startApiDouble()
    api.set(endpointSlice('a', [endpoint('scout-1', ['10.0.0.1'])]))
    const seen = discover(api)
    await eventually(() => api.watches === 1, 'the watch')
    api.always(answerStatus(503, 'apiserver is shutting down'))
    api.drop()
    await eventually(() => seen.latest()?.trouble !== undefined, 'trouble')
    expect(seen.states()).toEqual({ 'scout-1': 'ready' })
  })

  it('reports an invalid address once, however often the slice changes', async () => {
    const api = await startApiDouble()
    const seen = discover(api)
    for (const other of ['10.0.0.1', '10.0.0.2']) {
      api.set(endpointSlice('a', [endpoint('scout-1', ['nowhere']), endpoint('scout-2', [other])]))
      await eventually(() => seen.latest()?.peers[1]?.addresses[0] === other, other)
    }
    expect(seen.oddities).toEqual(['endpoint slice a has the invalid address "nowhere" for scout-1: ignored'])
  })

  it('remembers a thousand invalid addresses that it reported, and not any number', async () => {
    const api = await startApiDouble()
    const seen = discover(api)
    const has = async (...invalid: readonly string[]) => {
      api.set(endpointSlice('a', [endpoint('scout-1', invalid), endpoint('scout-2', [])]))
      await eventually(() => seen.oddities.at(-1)?.includes(`"${invalid.at(-1)}"`) === true, 'the last is reported')
    }
    await has('nowhere')
    await has(...Array.from({ length: 1_000 }, (_, index) => `nowhere-${index}`))
    expect(seen.oddities).toHaveLength(1_001)
    await has('nowhere')
    expect(seen.oddities).toHaveLength(1_002)
  })

  it('uses its own namespace if several have a Scout', async () => {
    const api = await startApiDouble()
    api.set(endpointSlice('a', [endpoint('mine', ['10.0.0.1'])]))
    api.set(endpointSlice('b', [endpoint('theirs', ['10.0.0.2'])], { namespace: 'other' }))
    const seen = discover(api)
    await eventually(() => seen.latest()?.peers.length === 1, 'a peer')
    expect(seen.states()).toEqual({ mine: 'ready' })
  })
})

describe('discovery by endpoint slices from outside', () => {
  const outside = { namespace: undefined, isFirstReadingNeeded: true }

  it('finds the namespace of the only Scout', async () => {
    const api = await startApiDouble()
    api.set(endpointSlice('a', [endpoint('scout-1', ['10.0.0.1'])], { namespace: 'monitoring' }))
    const seen = discover(api, outside)
    await seen.started
    expect(seen.latest()).toMatchObject({
      source: `service scout in namespace monitoring at ${api.server}`,
      peers: [{ name: 'scout-1' }],
    })
  })

  it('rejects an ambiguous choice between several Scouts', async () => {
    const api = await startApiDouble()
    for (const namespace of ['two', 'one']) api.set(endpointSlice('a', [], { namespace }))
    await expect(discover(api, outside).started).rejects.toThrow(
      'several namespaces have a service scout (one, two): choose one with --namespace',
    )
  })

  it('names a Scout that is installed under another name, as by Helm', async () => {
    const api = await startApiDouble()
    const slice = endpointSlice('a', [], { namespace: 'mon', service: 'mon-scout' })
    const labels = { 'app.kubernetes.io/name': 'scout', 'service.kubernetes.io/headless': '' }
    api.set({ ...slice, metadata: { ...slice.metadata, labels: { ...slice.metadata.labels, ...labels } } })
    await expect(discover(api, outside).started).rejects.toThrow(
      'no service scout has endpoints in any namespace of this cluster, but Scout is installed: pass --service mon-scout --namespace mon',
    )
  })

  it.each([
    {
      where: 'any namespace',
      options: outside,
      sentence: /^no service scout has endpoints in any namespace of this cluster: install Scout with kubectl apply/,
    },
    {
      where: 'the given namespace',
      options: { ...outside, namespace: 'empty' },
      sentence: /^no service scout has endpoints in namespace empty: install Scout/,
    },
  ])('reports that there is no Scout in $where', async ({ options, sentence }) => {
    const api = await startApiDouble()
    await expect(discover(api, options).started).rejects.toThrow(sentence)
    expect(api.watches).toBe(0)
  })

  it.each([
    { what: 'the credentials are refused', misbehaviour: answerStatus(401, 'Unauthorized'), sentence: /401/ },
    {
      what: 'a web page answers',
      misbehaviour: answerWith('<html>', 'text/html'),
      sentence: /text\/html instead of JSON/,
    },
    {
      what: 'the answer is not a list of slices',
      misbehaviour: answerWith('{"metadata":{"resourceVersion":"1"},"items":[{}]}'),
      sentence: /answered with JSON that is not a (list of EndpointSlices|Kubernetes list or watch)/,
    },
    { what: 'the connection breaks', misbehaviour: breakOff, sentence: /cannot reach the API server/ },
  ])('fails at once when $what', async ({ misbehaviour, sentence }) => {
    const api = await startApiDouble()
    api.always(misbehaviour)
    await expect(discover(api, outside).started).rejects.toThrow(sentence)
    await expect(discover(api, { ...outside, namespace: 'scout' }).started).rejects.toThrow(sentence)
  })
})

describe('conditions of nodes', () => {
  const node = (name: string, ready: string, more = {}) => ({
    metadata: { name },
    status: {
      conditions: [
        { type: 'MemoryPressure', status: 'False', reason: 'KubeletHasSufficientMemory' },
        { type: 'Ready', status: ready, reason: 'NodeStatusUnknown', lastTransitionTime: '2026-01-02T03:04:05Z' },
      ],
    },
    ...more,
  })

  it('have no start where its time cannot be read', () => {
    const conditions = [{ type: 'Ready', status: 'False', lastTransitionTime: 'yesterday' }]
    const { problems } = nodeConditionsOf({ metadata: { name: 'node-1' }, status: { conditions } })
    expect(problems).toEqual([{ type: 'Ready', status: 'False', reason: '' }])
  })

  it('are watched if configured: each problem and its start', async () => {
    const api = await startApiDouble()
    api.set(node('node-1', 'True'), 'nodes')
    api.set(node('node-2', 'True', { spec: { unschedulable: true } }), 'nodes')
    const seen = discover(api, { nodeConditions: true })
    await eventually(() => seen.latest()?.nodes?.length === 2, 'two nodes')
    api.set(node('node-1', 'Unknown'), 'nodes')
    await eventually(() => seen.latest()?.nodes?.some(({ problems }) => problems.length > 0) === true, 'a problem')
    expect(seen.latest()?.nodes?.toSorted((a, b) => (a.name < b.name ? -1 : 1))).toEqual([
      {
        name: 'node-1',
        isCordoned: false,
        problems: [
          { type: 'Ready', status: 'Unknown', reason: 'NodeStatusUnknown', sinceMs: Date.UTC(2026, 0, 2, 3, 4, 5) },
        ],
      },
      { name: 'node-2', isCordoned: true, problems: [] },
    ])
  })

  it('are optional: a missing permission is reported once, with the remedy', async () => {
    const api = await startApiDouble()
    api.set(endpointSlice('a', [endpoint('scout-1', ['10.0.0.1'])]))
    const said = 'nodes is forbidden: User "system:serviceaccount:scout:scout" cannot list resource "nodes"'
    api.always(answerStatus(403, said), /\/nodes$/)
    const seen = discover(api, { nodeConditions: true })
    const requests = () => api.requests.filter(({ path }) => path.endsWith('/nodes')).length
    await eventually(() => requests() >= 3, 'three requests for nodes')
    expect(seen.oddities).toEqual([
      'cannot watch node conditions: not permitted to list nodes in API group "" in the whole cluster: grant it with kubectl create clusterrole scout-nodes --verb=get,list,watch --resource=nodes && kubectl create clusterrolebinding scout-nodes --clusterrole=scout-nodes --serviceaccount=scout:scout',
    ])
    expect(seen.states()).toEqual({ 'scout-1': 'ready' })
    expect(seen.latest()?.trouble).toBeUndefined()
  })

  it('are not requested by default', async () => {
    const api = await startApiDouble()
    discover(api)
    await eventually(() => api.watches === 1, 'the watch of slices')
    expect(api.requests.filter(({ path }) => path.endsWith('/nodes'))).toEqual([])
  })
})

describe('the pods of cluster DNS', () => {
  const dnsService = 'kube-system/kube-dns'
  const sliceOf = (state: 'starting' | 'ready' | 'leaving') => ({
    ...endpointSlice(
      'kube-dns-1',
      [
        endpoint('coredns-1', ['10.244.1.10']),
        endpoint('coredns-2', ['10.244.2.10'], { conditions: { ...conditions(state), ready: state === 'ready' } }),
      ],
      { namespace: 'kube-system', service: 'kube-dns' },
    ),
    ports: [
      { name: 'metrics', port: 9153, protocol: 'TCP' },
      { name: 'dns', port: 5353, protocol: 'UDP' },
    ],
  })

  it('are those behind its Service, each with its state and port, and no peers', async () => {
    const api = await startApiDouble()
    api.set(endpointSlice('a', [endpoint('scout-1', ['10.0.0.1'])]))
    const seen = discover(api, { dnsService })
    for (const state of ['starting', 'ready', 'leaving'] as const) {
      api.set(sliceOf(state))
      await eventually(() => seen.latest()?.dnsPods?.[1]?.state === state, state)
    }
    expect(seen.latest()?.dnsPods).toMatchObject([
      { name: 'coredns-1', node: 'node-of-coredns-1', addresses: ['10.244.1.10'], port: 5353, state: 'ready' },
      { name: 'coredns-2', node: 'node-of-coredns-2', addresses: ['10.244.2.10'], port: 5353, state: 'leaving' },
    ])
    expect(seen.states()).toEqual({ 'scout-1': 'ready' })
  })

  it('are none while the API server is silent about them, because nobody else reports that one is gone', async () => {
    const api = await startApiDouble()
    api.set(endpointSlice('a', [endpoint('scout-1', ['10.0.0.1'])]))
    api.set(sliceOf('ready'))
    const seen = discover(api, { dnsService })
    await eventually(() => seen.latest()?.dnsPods?.length === 2, 'the pods')
    api.always(answerStatus(403, 'forbidden'), /kube-system/)
    api.drop()
    await eventually(() => seen.latest()?.dnsPods?.length === 0, 'none')
    expect(seen.states()).toEqual({ 'scout-1': 'ready' })
    expect(seen.oddities.join()).toContain('cannot watch the pods of cluster DNS')
    api.always(undefined)
    await eventually(() => seen.latest()?.dnsPods?.length === 2, 'the pods again')
  })
})

import { describe, expect, test } from 'vitest'
import type { ApiAccess } from '../../src/kubernetes/api.ts'
import { askAgent, findScouts } from '../../src/kubernetes/find-scouts.ts'
import { answerBare, answerStatus, answerWith, hang, stall, startApiDouble } from '../support/api-double.ts'
import { conditions, endpoint, endpointSlice } from '../support/slices.ts'

function accessTo(server: string): ApiAccess {
  return { server, credentials: async () => ({}), renew() {} }
}

const bounds = { signal: new AbortController().signal, answerMs: 5_000 }

describe('the Scouts of a cluster', () => {
  test('are listed by namespace and service, with their agents and addresses', async () => {
    const api = await startApiDouble()
    api.set(
      endpointSlice('a-4', [
        endpoint('a-1', ['10.0.0.1']),
        endpoint('a-2', ['10.0.0.2'], { conditions: conditions('leaving') }),
      ]),
    )
    api.set(endpointSlice('a-6', [endpoint('a-1', ['fd00::1'])]))
    api.set(endpointSlice('b', [endpoint('b-1', ['10.0.1.1'])], { namespace: 'other' }))
    api.set(endpointSlice('c', null, { namespace: 'other', service: 'scout-c' }))
    expect(await findScouts({ access: accessTo(api.server), ...bounds })).toMatchObject([
      {
        namespace: 'scout',
        service: 'scout',
        agents: [
          { name: 'a-1', node: 'node-of-a-1', addresses: ['10.0.0.1', 'fd00::1'], port: 8080, state: 'ready' },
          { name: 'a-2', state: 'leaving' },
        ],
      },
      { namespace: 'other', service: 'scout', agents: [{ name: 'b-1' }] },
      { namespace: 'other', service: 'scout-c', agents: [] },
    ])
  })

  test('are searched for in one namespace if it is given', async () => {
    const api = await startApiDouble()
    for (const namespace of ['one', 'two']) api.set(endpointSlice('a', [], { namespace }))
    const found = await findScouts({ access: accessTo(api.server), namespace: 'two', ...bounds })
    expect(found.map(({ namespace }) => namespace)).toEqual(['two'])
    expect(api.requests.map(({ path }) => path)).toEqual(['/apis/discovery.k8s.io/v1/namespaces/two/endpointslices'])
  })

  test('exclude other Services of the chart, and foreign ones', async () => {
    const api = await startApiDouble()
    const { metadata, ...slice } = endpointSlice('a', [])
    const labels = (kept: object) => ({ 'kubernetes.io/service-name': 'x', ...kept })
    api.set({ ...slice, metadata: { ...metadata, name: 'vip', labels: labels({ 'app.kubernetes.io/name': 'scout' }) } })
    api.set({
      ...slice,
      metadata: { ...metadata, name: 'db', labels: labels({ 'service.kubernetes.io/headless': '' }) },
    })
    expect(await findScouts({ access: accessTo(api.server), ...bounds })).toEqual([])
  })

  test('are returned with warnings about them', async () => {
    const api = await startApiDouble()
    api.set(endpointSlice('a', [endpoint('a-1', ['10.0.0.1', 'fe80::zz'])]))
    const [scout] = await findScouts({ access: accessTo(api.server), ...bounds })
    expect(scout?.oddities).toEqual(['endpoint slice a has the invalid address "fe80::zz" for a-1: ignored'])
  })

  test.each([
    [
      'the permission is missing',
      answerStatus(403, 'forbidden: User "jo" cannot list'),
      /^not permitted to list endpointslices in API group "discovery.k8s.io" in the whole cluster/,
    ],
    [
      'the answer is not a list',
      answerWith('{"kind":"List"}'),
      /answered with JSON that is not a list of EndpointSlices: items /,
    ],
    ['a web page answers', answerWith('<html>', 'text/html'), /answered with text\/html instead of JSON/],
    ['something else answers', answerBare(502, {}), /answered 502, but not as Kubernetes does/],
    ['it never answers', hang, /did not answer within 0.2 s/],
    ['it stalls', stall, /received nothing from .* for 0.2 s/],
  ])('are an error when %s', async (_, misbehaviour, sentence) => {
    const api = await startApiDouble()
    api.always(misbehaviour)
    const finding = findScouts({ access: accessTo(api.server), signal: bounds.signal, answerMs: 200 })
    await expect(finding).rejects.toThrow(sentence)
  })
})

describe('a request to an agent through the API server', () => {
  const agent = { name: 'a-1', namespace: 'scout', port: 8080 }
  const token = 's3cret'

  test('names its program, because agents accept the name of an API server as theirs from no page in a browser, and has the token of the console', async () => {
    const api = await startApiDouble()
    api.always((request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(request.headers))
    })
    const seen = await askAgent({ access: accessTo(api.server), agent, path: '/api/v1/snapshot', token, ...bounds })
    expect(seen).toMatchObject({ 'sec-scout': '1', 'sec-scout-token': token })
  })

  test('returns the answer of its console', async () => {
    const api = await startApiDouble()
    api.serve('/a-1:8080/api/v1/snapshot', { takenAtMs: 1 })
    const json = await askAgent({ access: accessTo(api.server), agent, path: '/api/v1/snapshot', token, ...bounds })
    expect(json).toEqual({ takenAtMs: 1 })
    expect(api.requests.map(({ path }) => path)).toEqual([
      '/api/v1/namespaces/scout/pods/a-1:8080/proxy/api/v1/snapshot',
    ])
  })

  test.each([
    [
      'the permission is missing',
      answerStatus(403, 'forbidden: User "system:serviceaccount:dev:jo" cannot get'),
      'not permitted to get pods/proxy in API group "" in namespace scout: grant it with kubectl create role scout-pods-proxy -n scout --verb=get --resource=pods/proxy && kubectl create rolebinding scout-pods-proxy -n scout --role=scout-pods-proxy --serviceaccount=dev:jo',
    ],
    [
      'its node is down',
      answerStatus(503, 'error trying to reach service: dial tcp 10.0.0.1:8080: connect: no route to host'),
      /rejected get of pods\/proxy \(503\): error trying to reach service: dial tcp 10\.0\.0\.1:8080/,
    ],
  ])('fails when %s', async (_, misbehaviour, sentence) => {
    const api = await startApiDouble()
    api.always(misbehaviour)
    const asking = askAgent({ access: accessTo(api.server), agent, path: '/api/v1/snapshot', token, ...bounds })
    await expect(asking).rejects.toThrow(sentence)
  })
})

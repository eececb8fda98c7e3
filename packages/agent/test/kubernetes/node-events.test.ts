import type { Scope } from '@scout/core'
import { describe, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../../../test/support/eventually.ts'
import {
  createNodeEvents,
  mostWritten,
  type NodeEvents,
  type NodeEventsOptions,
} from '../../src/kubernetes/node-events.ts'
import { type ApiDouble, answerStatus, breakOff, startApiDouble } from '../support/api-double.ts'

type Told = Parameters<NodeEvents['report']>[1]

function write(api: ApiDouble, timing: NodeEventsOptions['timing'] = {}) {
  const troubles: (string | undefined)[] = []
  const events = createNodeEvents({
    access: { server: api.server, credentials: async () => ({}), renew() {} },
    agent: 'scout-x7k2p',
    onTrouble: (trouble) => troubles.push(trouble),
    onDefect(error) {
      throw error
    },
    timing: { answerMs: 5_000, retryFirstMs: 1, retryMostMs: 20, ...timing },
  })
  onTestFinished(() => events.stop())
  return { events, troubles }
}

function incident(scope: Scope, more: Partial<Told> = {}): Told {
  return {
    id: 'e20b807f178c',
    cause: 'protocol-filtered',
    scope,
    severity: 'critical',
    summary: 'UDP is dropped: node2 -> node1',
    openedAtMs: Date.UTC(2026, 0, 2, 12),
    ...more,
  }
}

const node = (name: string) => ({ kind: 'node', node: name }) as const
const link = { kind: 'link', from: 'node2', to: 'node1' } as const

async function written(api: ApiDouble, count: number) {
  await eventually(() => api.created.length >= count, `${count} Events`)
  return api.created.map(({ object }) => object)
}

/** The nodes that Events are about. */
function namesIn(api: ApiDouble): readonly unknown[] {
  return api.created.map(({ object }) => Object(object['regarding']).name)
}

describe('an incident is written as an Event', () => {
  test('of each node that it names, in the namespace where those of nodes are', async () => {
    const api = await startApiDouble()
    write(api).events.report('opened', incident(link))
    const [first, second] = await written(api, 2)
    expect(first).toEqual({
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { generateName: 'scout-', namespace: 'default' },
      eventTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
      reportingController: 'scout',
      reportingInstance: 'scout-x7k2p',
      action: 'IncidentOpened',
      reason: 'ProtocolFiltered',
      regarding: { apiVersion: 'v1', kind: 'Node', name: 'node2', uid: 'node2' },
      note: 'UDP is dropped: node2 -> node1 (incident e20b807f178c)',
      type: 'Warning',
    })
    expect(second).toMatchObject({ regarding: { name: 'node1' } })
    expect(api.created.map(({ path }) => path.replace('?', ''))).toEqual([
      '/apis/events.k8s.io/v1/namespaces/default/events',
      '/apis/events.k8s.io/v1/namespaces/default/events',
    ])
  })

  test('for each of its changes', async () => {
    const api = await startApiDouble()
    const { events } = write(api)
    const opened = incident(node('node1'))
    events.report('opened', opened)
    events.report('changed', { ...opened, cause: 'node-isolated', summary: 'node1 is cut off' })
    events.report('closed', { ...opened, closedAtMs: opened.openedAtMs + 130_000 })
    expect(await written(api, 3)).toMatchObject([
      { reason: 'ProtocolFiltered', type: 'Warning', action: 'IncidentOpened' },
      { reason: 'NodeIsolated', type: 'Warning', note: 'changed: node1 is cut off (incident e20b807f178c)' },
      { type: 'Normal', note: 'closed after 2m10s: UDP is dropped: node2 -> node1 (incident e20b807f178c)' },
    ])
  })

  test('that is no warning if it is informational', async () => {
    const api = await startApiDouble()
    write(api).events.report('opened', incident({ kind: 'prober', node: 'node1' }, { severity: 'informational' }))
    expect(await written(api, 1)).toMatchObject([{ type: 'Normal' }])
  })

  test('only where it names nodes, and only of the first ten', async () => {
    const api = await startApiDouble()
    const { events } = write(api)
    const nodes = Array.from({ length: 150 }, (_, index) => `node${index + 1}`)
    const nameless: readonly Scope[] = [
      { kind: 'cluster' },
      { kind: 'service', name: 'api' },
      { kind: 'name-server', address: '10.96.0.10' },
      { kind: 'zone-pair', zones: ['a', 'b'] },
    ]
    for (const scope of [...nameless, { kind: 'node-group', nodes } as const]) events.report('opened', incident(scope))
    events.report('opened', incident({ kind: 'node-side', node: 'last', side: 'in' }))
    await written(api, 11)
    expect(namesIn(api)).toEqual([...nodes.slice(0, 10), 'last'])
  })

  test('within the length that Kubernetes accepts, without control characters', async () => {
    const api = await startApiDouble()
    write(api).events.report('opened', incident(node('node1'), { summary: `\u001b[2J${'é'.repeat(1_000)}` }))
    const [{ note = '' } = {}] = await written(api, 1)
    expect(note).toMatch(/^\ufffd\[2Jé+$/)
    expect(Buffer.byteLength(String(note))).toBeGreaterThan(1_020)
    expect(Buffer.byteLength(String(note))).toBeLessThanOrEqual(1_024)
  })
})

describe('an API server that does not take an Event', () => {
  test('because the right is missing is asked once for each, and the right is named once', async () => {
    const api = await startApiDouble()
    const said = 'events.events.k8s.io is forbidden: User "system:serviceaccount:scout:scout" cannot create resource'
    api.always(answerStatus(403, said))
    const { events, troubles } = write(api)
    for (const name of ['node1', 'node2', 'node3']) events.report('opened', incident(node(name)))
    await eventually(() => api.requests.length === 3, 'three requests')
    api.always(undefined)
    events.report('opened', incident(node('node4')))
    await written(api, 1)
    expect(namesIn(api)).toEqual(['node4'])
    await eventually(() => troubles.length === 2, 'the end of the trouble')
    expect(troubles).toEqual([
      'not permitted to create events in API group "events.k8s.io" in namespace default: grant it with kubectl create role scout-events -n default --verb=create --resource=events.events.k8s.io && kubectl create rolebinding scout-events -n default --role=scout-events --serviceaccount=scout:scout',
      undefined,
    ])
  })

  test('because it cannot be reached or is overloaded gets it later, in order', async () => {
    const api = await startApiDouble()
    api.next(breakOff, answerStatus(503, 'overloaded'), answerStatus(429, 'slow down', { 'retry-after': '999999999' }))
    const { events, troubles } = write(api)
    for (const name of ['node1', 'node2']) events.report('opened', incident(node(name)))
    await written(api, 2)
    expect(namesIn(api)).toEqual(['node1', 'node2'])
    await eventually(() => troubles.at(-1) === undefined, 'the end of the trouble')
    expect(troubles).toHaveLength(4)
  })

  test('for long loses it', async () => {
    const api = await startApiDouble()
    api.always(answerStatus(503, 'overloaded'))
    const { events } = write(api, { keptMs: 200 })
    events.report('opened', incident(node('old')))
    let [asked, askedMs] = [0, performance.now()]
    await eventually(() => {
      if (api.requests.length !== asked) [asked, askedMs] = [api.requests.length, performance.now()]
      return asked > 0 && performance.now() - askedMs > 1_000
    }, 'the end of its retries, which are at most 20 ms apart')
    api.always(undefined)
    events.report('opened', incident(node('new')))
    await written(api, 1)
    expect(namesIn(api)).toEqual(['new'])
  })

  test('for a moment in which much happens gets the newest', async () => {
    const api = await startApiDouble()
    const { events } = write(api, { spanMs: 1 })
    for (let index = 1; index <= 150; index++) events.report('opened', incident(node(`node${index}`)))
    await eventually(() => namesIn(api).includes('node150'), 'the newest')
    // The first is on its way when the others arrive.
    expect(namesIn(api).filter((name) => name !== 'node1')).toEqual(
      Array.from({ length: 100 }, (_, index) => `node${51 + index}`),
    )
  })
})

test(`no more than ${mostWritten} Events are written in a minute`, async () => {
  const api = await startApiDouble()
  const spanMs = 300
  const { events } = write(api, { spanMs })
  const count = 2 * mostWritten + 1
  for (let index = 0; index < count; index++) events.report('opened', incident(node(`node${index}`)))
  await written(api, count)
  const times = api.created.map(({ atMs }) => atMs)
  // Timers of Node may fire a millisecond early.
  for (const [index, atMs] of times.entries())
    expect((times[index + mostWritten] ?? Number.POSITIVE_INFINITY) - atMs).toBeGreaterThanOrEqual(spanMs - 2)
})

test('an end drops what is not written', async () => {
  const api = await startApiDouble()
  const { events, troubles } = write(api, { retryFirstMs: 60_000, retryMostMs: 60_000 })
  api.next(answerStatus(503, 'overloaded'))
  events.report('opened', incident(node('node1')))
  await eventually(() => troubles.length === 1, 'a failed request')
  events.stop()
  events.report('opened', incident(node('node2')))
  expect(api.created).toEqual([])
})

import { setImmediate } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { eventually } from '../../../../test/support/eventually.ts'
import { type Listing, listAndWatch, type Timing } from '../../src/kubernetes/list-watch.ts'
import {
  type ApiDouble,
  answerBare,
  answerStatus,
  answerWith,
  breakOff,
  hang,
  type Misbehaviour,
  stall,
  startApiDouble,
} from '../support/api-double.ts'
import { endpointSlice } from '../support/slices.ts'

const quick: Timing = { answerMs: 300, watchMs: 60_000, graceMs: 100, retryFirstMs: 1, retryMostMs: 20 }
const resource = { group: 'discovery.k8s.io', version: 'v1', plural: 'endpointslices', namespace: 'scout' }
const named = z.object({ metadata: z.object({ name: z.string() }), endpoints: z.array(z.unknown()).nullable() })

/** Watches the double until the test ends and records its reports. */
function watch(api: ApiDouble, timing: Partial<Timing> = {}, parse = (object: unknown) => named.parse(object)) {
  const told: Listing<string>[] = []
  const odd: string[] = []
  const defects: unknown[] = []
  const stopping = new AbortController()
  const ended = listAndWatch(
    {
      access: { server: api.server, credentials: async () => ({}), renew() {} },
      resource,
      labelSelector: 'kubernetes.io/service-name=scout',
      parse: (object) => parse(object).metadata.name,
      onListing: (listing) => told.push(listing),
      onOdd: (key, why) => odd.push(`${key}: ${why}`),
      onDefect: (error) => defects.push(error),
      timing: { ...quick, ...timing },
    },
    stopping.signal,
  )
  onTestFinished(async () => {
    stopping.abort()
    await ended
  })
  const names = () => [...(told.at(-1)?.items?.values() ?? [])]
  return {
    told,
    odd,
    defects,
    names,
    trouble: () => told.at(-1)?.trouble?.message,
    /** Every trouble in order, without repetitions. */
    troubles: () =>
      told
        .map(({ trouble }) => trouble?.message)
        .filter((message, i, all) => message !== undefined && message !== all[i - 1]),
    knows: (...expected: readonly string[]) =>
      eventually(() => names().join() === expected.join(), `knows ${expected.join()}`),
    watched: (times = 1) => eventually(() => api.watches === times, `${times} watches`),
    stop: () => stopping.abort(),
    ended,
  }
}

const slice = (name: string) => endpointSlice(name, [])

describe('a list and watch', () => {
  it('lists the objects and then receives every change, in one list and one watch', async () => {
    const api = await startApiDouble()
    api.set(slice('a'))
    const seen = watch(api)
    await seen.knows('a')
    await seen.watched()
    api.set(slice('b'))
    await seen.knows('a', 'b')
    api.remove('a')
    await seen.knows('b')
    expect(api.requests.map(({ verb }) => verb)).toEqual(['list', 'watch'])
    expect(seen.troubles()).toEqual([])
  })

  it('requests only the Service in its namespace, accepts any version at first, and requests bookmarks', async () => {
    const api = await startApiDouble()
    await watch(api).watched()
    const path = '/apis/discovery.k8s.io/v1/namespaces/scout/endpointslices'
    const labelSelector = 'kubernetes.io/service-name=scout'
    expect(api.requests).toMatchObject([
      { path, query: { labelSelector, resourceVersion: '0' } },
      { path, query: { labelSelector, watch: 'true', allowWatchBookmarks: 'true', resourceVersion: '100' } },
    ])
  })

  it('receives changes between list and watch', async () => {
    const api = await startApiDouble()
    api.set(slice('a'))
    api.next((request, response) => {
      answerWith(JSON.stringify({ metadata: { resourceVersion: '101' }, items: [slice('a')] }))(request, response)
      api.set(slice('b'))
    })
    const seen = watch(api)
    await seen.knows('a', 'b')
    expect(seen.told[0]?.items?.size).toBe(1)
  })

  it.each([
    { how: 'ends normally', end: (api: ApiDouble) => api.endWatches() },
    { how: 'breaks off', end: (api: ApiDouble) => api.drop() },
    { how: 'ends within a line', end: (api: ApiDouble) => (api.say('{"type":"MODI'), api.endWatches()) },
  ])('resumes where it was when a watch $how, without another list or trouble', async ({ end }) => {
    const api = await startApiDouble()
    const seen = watch(api)
    await seen.watched()
    api.set(slice('a'))
    await seen.knows('a')
    end(api)
    await eventually(() => api.requests.length === 3, 'a second watch')
    api.set(slice('b'))
    await seen.knows('a', 'b')
    expect(api.requests.map(({ verb, query }) => [verb, query['resourceVersion']])).toEqual([
      ['list', '0'],
      ['watch', '100'],
      ['watch', '101'],
    ])
    expect(seen.troubles()).toEqual([])
  })

  it('resumes from a bookmark, so that the version of a quiet watch does not become too old', async () => {
    const api = await startApiDouble()
    const seen = watch(api)
    await seen.watched()
    const before = seen.told.length
    api.compact()
    api.bookmark()
    await eventually(() => seen.told.length > before, 'the bookmark')
    api.endWatches()
    await eventually(() => api.requests.length === 3, 'a second watch')
    expect(api.requests[2]).toMatchObject({ verb: 'watch', query: { resourceVersion: '101' } })
  })

  it('lists again, from the store, when its version is gone', async () => {
    const api = await startApiDouble()
    api.set(slice('a'))
    const seen = watch(api)
    await seen.watched()
    api.remove('a')
    await seen.knows()
    api.next(answerStatus(410, 'too old resource version: 102 (103)'))
    api.endWatches()
    api.set(slice('b'))
    await seen.knows('b')
    await seen.watched()
    expect(api.requests.map(({ verb, query }) => [verb, query['resourceVersion']])).toEqual([
      ['list', '0'],
      ['watch', '101'],
      ['watch', '102'],
      ['list', ''],
      ['watch', '103'],
    ])
    expect(seen.troubles()).toEqual([])
  })

  it('lists nothing older than its version, and from the store only right after the server reported that version as gone', async () => {
    const api = await startApiDouble()
    const seen = watch(api)
    await seen.watched()
    const lists = () => api.requests.filter(({ verb }) => verb === 'list').map(({ query }) => query['resourceVersion'])
    for (const [name, text] of [
      ['a', 'no JSON\n'],
      ['b', `${JSON.stringify({ type: 'ERROR', object: { code: 410 } })}\n`],
      ['c', 'no JSON\n'],
    ] as const) {
      api.set(slice(name))
      await eventually(() => seen.names().includes(name), name)
      const before = lists().length
      api.say(text)
      await eventually(() => lists().length > before, 'another list')
      await seen.watched()
    }
    expect(lists()).toEqual(['0', '101', '', '103'])
  })

  it('lists again from the store after the store was restored to an earlier state', async () => {
    const api = await startApiDouble()
    const seen = watch(api)
    await seen.watched()
    api.next(answerStatus(504, 'Timeout: Too large resource version: 100, current: 7'))
    api.endWatches()
    await eventually(() => api.requests.length === 5, 'a list and a watch')
    expect(api.requests.slice(2).map(({ verb, query }) => [verb, query['resourceVersion']])).toEqual([
      ['watch', '100'],
      ['list', ''],
      ['watch', '100'],
    ])
  })

  it('lists again when an event of the watch reports that its version is gone', async () => {
    const api = await startApiDouble()
    const seen = watch(api)
    await seen.watched()
    api.say(`${JSON.stringify({ type: 'ERROR', object: { kind: 'Status', code: 410, message: 'too old' } })}\n`)
    await eventually(() => api.requests.filter(({ verb }) => verb === 'list').length === 2, 'another list')
    await seen.watched()
    expect(seen.troubles()).toEqual([])
  })

  it.each([
    { what: 'broken JSON', text: '{"type":"ADDED","object":{"meta\n' },
    { what: 'an unknown event', text: '{"type":"SURPRISE","object":{}}\n' },
    { what: 'HTML', text: '<html>\n' },
  ])('lists again after a line with $what, since an event may have been lost', async ({ text }) => {
    const api = await startApiDouble()
    const seen = watch(api)
    await seen.watched()
    api.say(text)
    await eventually(() => api.requests.filter(({ verb }) => verb === 'list').length === 2, 'another list')
    api.set(slice('a'))
    await seen.knows('a')
    expect(seen.trouble()).toBeUndefined()
  })

  it('reads events however they are split into packets', async () => {
    const api = await startApiDouble()
    const seen = watch(api)
    await seen.watched()
    const event = (name: string) => JSON.stringify({ type: 'ADDED', object: slice(name) })
    const text = `${event('ä')}\n${event('b')}\n`
    for (const byte of Buffer.from(text)) {
      api.say(Buffer.of(byte))
      await setImmediate()
    }
    await seen.knows('ä', 'b')
    expect(seen.trouble()).toBeUndefined()
  })

  it('ignores an invalid object, and reports it', async () => {
    const api = await startApiDouble()
    api.set({ ...slice('odd'), endpoints: 'none' } as never)
    api.set(slice('a'))
    const seen = watch(api)
    await seen.knows('a')
    expect(seen.odd[0]).toMatch(/^scout\/odd: endpoints Invalid input/)
  })

  it('detects a half-open connection by its silence, and resumes where it was', async () => {
    const api = await startApiDouble()
    const seen = watch(api, { watchMs: 700, graceMs: 50 })
    await seen.watched()
    api.next(stall)
    api.endWatches()
    await eventually(() => api.requests.length === 3, 'the watch that stalls')
    api.set(slice('a'))
    await seen.knows('a')
    expect(api.requests.map(({ verb }) => verb)).toEqual(['list', 'watch', 'watch', 'watch'])
    expect(seen.troubles()).toEqual([])
  })

  it('backs off from a server that ends every watch at once', async () => {
    const api = await startApiDouble()
    const seen = watch(api, { retryFirstMs: 1, retryMostMs: 40 })
    await seen.watched()
    api.always(answerWith(''))
    api.endWatches()
    const startMs = performance.now()
    await eventually(() => api.requests.length >= 14, 'a dozen watches')
    expect(performance.now() - startMs).toBeGreaterThan(100)
  })

  it('backs off from a server whose watches break after one good event, and reports it until a watch lasts', async () => {
    const api = await startApiDouble()
    api.set(endpointSlice('one', []))
    let watches = 0
    const event = {
      type: 'ADDED',
      object: { ...endpointSlice('two', []), metadata: { name: 'two', namespace: 'scout' } },
    }
    api.always((request, response) => {
      const isWatch = request.url?.includes('watch=true') === true
      if (isWatch) watches++
      response.writeHead(200, { 'content-type': 'application/json' })
      if (!isWatch) return response.end(JSON.stringify({ metadata: { resourceVersion: '7' }, items: null }))
      return response.end(`${JSON.stringify(event)}\n\r\n`)
    })
    const { knows, trouble, told } = watch(api, { retryFirstMs: 20, retryMostMs: 2_000 })
    await eventually(() => watches === 4, 'four watches')
    const startMs = performance.now()
    await eventually(() => watches === 6, 'six watches')
    // At least half of 20 ms, doubled for each watch before.
    expect(performance.now() - startMs).toBeGreaterThan(80 + 160)
    expect(trouble()).toContain('broken JSON')
    expect(told.at(-1)?.items?.size).toBeLessThan(2)
    api.always(undefined)
    await eventually(() => trouble() === undefined, 'the trouble ends')
    await knows('one')
  })

  it('takes a list without items, as Go writes it, for an empty one', async () => {
    const api = await startApiDouble()
    api.next(answerWith(JSON.stringify({ metadata: { resourceVersion: '100' }, items: null })))
    const { knows, watched, trouble } = watch(api)
    await watched()
    expect(trouble()).toBeUndefined()
    api.set(endpointSlice('one', []))
    await knows('one')
  })

  it('gives up a line of a watch without end, and lists again', async () => {
    const api = await startApiDouble()
    let sentBytes = 0
    const endless: Misbehaviour = (_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      const more = () => {
        do sentBytes += 1 << 16
        while (response.write(Buffer.alloc(1 << 16, ' ')))
      }
      response.on('drain', more)
      more()
    }
    api.set(endpointSlice('one', []))
    const list = answerWith(JSON.stringify({ metadata: { resourceVersion: '101' }, items: [] }))
    api.next(list, endless, list, endless)
    const { troubles, knows } = watch(api, { retryMostMs: 5_000 })
    await knows('one')
    expect(troubles()).toEqual([expect.stringContaining('sent more than 4 MiB in one line of a watch')])
    expect(sentBytes).toBeLessThan(2 * (16 << 20))
  })

  it('ends when it is stopped, whatever it is waiting for', async () => {
    for (const misbehaviour of [undefined, hang, stall, breakOff]) {
      const api = await startApiDouble()
      api.always(misbehaviour)
      const seen = watch(api, { answerMs: 60_000 })
      await eventually(() => api.requests.length > 0, 'a request')
      seen.stop()
      await expect(seen.ended).resolves.toBeUndefined()
    }
  })
})

describe('trouble with an API server', () => {
  it.each([
    {
      what: 'rejects the credentials',
      misbehaviour: answerStatus(401, 'Unauthorized'),
      sentence: /does not accept these credentials \(401\): log in again/,
    },
    {
      what: 'denies permission to a service account',
      misbehaviour: answerStatus(
        403,
        'endpointslices.discovery.k8s.io is forbidden: User "system:serviceaccount:scout:agent" cannot list resource',
      ),
      sentence:
        /^not permitted to list endpointslices in API group "discovery.k8s.io" in namespace scout: grant it with kubectl create role scout-endpointslices -n scout --verb=get,list,watch --resource=endpointslices.discovery.k8s.io && kubectl create rolebinding scout-endpointslices -n scout --role=scout-endpointslices --serviceaccount=scout:agent$/,
    },
    {
      what: 'denies permission to a user',
      misbehaviour: answerStatus(403, 'forbidden: User "eve@example.org" cannot list resource'),
      sentence: /--user='eve@example.org'$/,
    },
    {
      what: 'is too old',
      misbehaviour: answerStatus(404, 'the server could not find the requested resource'),
      sentence: /does not serve endpointslices.discovery.k8s.io\/v1: Kubernetes 1.21 or newer is needed/,
    },
    {
      what: 'is overloaded',
      misbehaviour: answerStatus(500, 'etcdserver: request timed out'),
      sentence: /rejected list of endpointslices.discovery.k8s.io \(500\): etcdserver: request timed out/,
    },
    {
      what: 'is a web page',
      misbehaviour: answerWith('<html>Welcome</html>', 'text/html; charset=utf-8'),
      sentence:
        /answered with text\/html; charset=utf-8 instead of JSON: it is not the address of a Kubernetes API server/,
    },
    {
      what: 'is a web page that rejects requests',
      misbehaviour: answerBare(403, { 'content-type': 'text/html' }),
      sentence: /answered 403, but not as Kubernetes does/,
    },
    {
      what: 'redirects to a login',
      misbehaviour: answerBare(302, { location: 'https://login' }),
      sentence: /answered 302, but not as Kubernetes does/,
    },
    {
      what: 'truncates its answer',
      misbehaviour: answerWith('{"metadata":{"resourceVersion":"1"},"items":[{"metad'),
      sentence: /answered with 52 characters of broken JSON: look for a proxy/,
    },
    {
      what: 'answers with other JSON',
      misbehaviour: answerWith('{"hello":"world"}'),
      sentence: /answered with JSON that is not a Kubernetes list or watch: metadata/,
    },
    { what: 'never answers', misbehaviour: hang, sentence: /did not answer within 0.3 s/ },
    {
      what: 'stalls within its answer',
      misbehaviour: stall,
      sentence: /received nothing from .* the connection is half open/,
    },
    {
      what: 'breaks the connection',
      misbehaviour: breakOff,
      sentence: /^cannot reach the API server at http:.*: socket hang up/,
    },
  ])('is reported at once when it $what, and ends when it recovers', async ({ misbehaviour, sentence }) => {
    const api = await startApiDouble()
    api.set(slice('a'))
    api.always(misbehaviour)
    const seen = watch(api)
    await eventually(() => seen.trouble() !== undefined, 'trouble')
    expect(seen.trouble()).toMatch(sentence)
    expect(seen.told.at(-1)).toMatchObject({ items: undefined, heardAtMs: 0 })
    api.always(undefined)
    await seen.knows('a')
    await eventually(() => seen.trouble() === undefined, 'the end of trouble')
  })

  it('keeps the known objects, and reports their age', async () => {
    const api = await startApiDouble()
    api.set(slice('a'))
    const seen = watch(api)
    await eventually(() => seen.told.length === 2, 'the list and the watch')
    const heardAtMs = seen.told.at(-1)?.heardAtMs ?? 0
    api.always(breakOff)
    api.drop()
    await eventually(() => seen.trouble() !== undefined, 'trouble')
    expect(seen.names()).toEqual(['a'])
    expect(seen.told.at(-1)?.heardAtMs).toBe(heardAtMs)
    api.always(undefined)
    api.set(slice('b'))
    await seen.knows('a', 'b')
    expect(seen.trouble()).toBeUndefined()
    expect(seen.told.at(-1)?.heardAtMs).toBeGreaterThanOrEqual(heardAtMs)
  })

  it('includes a defect in Scout, which is reported, and ends with its cause', async () => {
    const api = await startApiDouble()
    let isDefective = true
    const seen = watch(api, {}, (object) => {
      if (isDefective) throw new TypeError('not a function')
      return named.parse(object)
    })
    await seen.watched()
    api.set(slice('a'))
    await eventually(() => seen.trouble() !== undefined, 'trouble')
    expect(seen.trouble()).toBe(`a defect in scout ended the watch of ${api.server}: TypeError: not a function`)
    expect(seen.defects[0]).toBeInstanceOf(TypeError)
    isDefective = false
    await seen.knows('a')
    await eventually(() => seen.trouble() === undefined, 'the end of trouble')
  })

  it('is reported when nothing listens', async () => {
    const api = await startApiDouble()
    const seen = watch({ ...api, server: 'http://127.0.0.1:1' })
    await eventually(() => seen.trouble() !== undefined, 'trouble')
    expect(seen.trouble()).toBe(
      'cannot reach the API server at http://127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1 (check the address, and that the API server or kubectl proxy runs there)',
    )
  })

  it('continues to list if only the watch is denied, and names the verb', async () => {
    const api = await startApiDouble()
    api.set(slice('a'))
    const denied = answerStatus(403, 'forbidden: User "system:serviceaccount:scout:agent" cannot watch resource')
    const list = () => api.next((_, response) => answerWith(listOf('a'))(_, response), denied)
    const listOf = (...names: readonly string[]) =>
      JSON.stringify({ metadata: { resourceVersion: '101' }, items: names.map(slice) })
    list()
    list()
    const seen = watch(api)
    await eventually(() => api.requests.length >= 4, 'two lists and two watches')
    await eventually(() => seen.troubles().length > 0, 'trouble')
    expect(api.requests.slice(0, 4).map(({ verb }) => verb)).toEqual(['list', 'watch', 'list', 'watch'])
    expect(seen.troubles()[0]).toMatch(/^not permitted to watch endpointslices/)
  })

  it('waits as long as the server asks', async () => {
    const api = await startApiDouble()
    api.next(answerStatus(429, 'too many requests', { 'retry-after': '1' }))
    const startMs = performance.now()
    await watch(api).watched()
    expect(performance.now() - startMs).toBeGreaterThan(950)
  })
})

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type ApiDouble, answerStatus, hang } from '../../../agent/test/support/api-double.ts'
import { type Change, failing, serveRows, startFakeCluster, timeout } from '../support/fake-cluster.ts'
import { runCli, type Terminal } from '../support/run-cli.ts'

const nodes = ['node1', 'node2', 'node3']
const slow = { timeout: 30_000 }

/** Faults of the cluster, and how it is without one. */
const udpDropped: Change = (series) =>
  series.from === 'node2' && series.to === 'node1' && series.protocol === 'udp' ? failing(series, timeout) : series
const nodeCutOff: Change = (series) =>
  series.from === 'node2' || series.to === 'node2' ? failing(series, timeout) : series
const fine: Change = (series) => series

interface Course {
  readonly argv?: readonly string[]
  /** Called after each write of the program, with all that it has written. */
  readonly step: (out: string, hands: Hands) => unknown
  readonly terminal?: { readonly terminalColumns: number; readonly terminalRows: number }
}

/** What a step may do. */
interface Hands extends Terminal {
  end(): void
}

async function watch(api: ApiDouble, { argv = [], step, terminal }: Course) {
  const { code, out, err } = await runCli(['mesh', '--watch', '-i', '1s', '--kube-api', api.server, ...argv], {
    ...terminal,
    onOutput: (text, end, hands) => step(text, { end, ...hands }),
  })
  const named = (text: string) => text.replaceAll(api.server, 'http://api')
  return { code, out: named(out), err: named(err) }
}

describe('a watch to a file', slow, () => {
  test('prints a line for each incident that opens, changes and closes', async () => {
    const api = await startFakeCluster({ nodes, change: udpDropped })
    const { code, out, err } = await watch(api, {
      step(text, { end }) {
        if (text.includes(' closed')) end()
        else serveRows(api, { nodes, change: text.includes(' changed') ? fine : nodeCutOff })
      },
    })
    expect({ code, err }).toEqual({ code: 0, err: '' })
    const id = /incident ([0-9a-f]{12})/.exec(out)?.[1] ?? ''
    const times = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/gm
    const stable = out
      .replaceAll(times, 'TIME')
      .replaceAll(id, 'ID')
      .replaceAll(/after \S+:/g, 'after #:')
    expect(stable).toMatchInlineSnapshot(`
      "TIME opened: critical: UDP is dropped: node2 -> node1 (protocol-filtered, sure (99 %), incident ID)
      TIME changed: critical: node2 is cut off: nothing reaches it and it reaches nothing (node-isolated, sure (99 %), incident ID)
      TIME closed after #: critical: node2 is cut off: nothing reaches it and it reaches nothing (node-isolated, sure (99 %), incident ID)
      "
    `)
  })

  test('prints an object as --json, also when it is more than transient', async () => {
    // The time after which an incident is no longer transient is almost over.
    const recent: Change = (series) => udpDropped({ ...series, sinceMs: (series.last?.startedAtMs ?? 0) - 25_000 })
    const api = await startFakeCluster({ nodes, change: recent })
    const { code, out } = await watch(api, {
      argv: ['--json'],
      step: (text, { end }) => text.includes('"open"') && end(),
    })
    expect(code).toBe(1)
    const lines = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines).toMatchObject([
      { kind: 'incident', cause: 'protocol-filtered', state: 'transient' },
      { kind: 'incident', cause: 'protocol-filtered', state: 'open' },
    ])
    expect(lines[1].id).toBe(lines[0].id)
  })

  test('goes on when the API server fails for a while, and says so once', async () => {
    const api = await startFakeCluster({ nodes, change: udpDropped })
    const overloaded = answerStatus(503, 'overloaded')
    let failures = 0
    const { code, out, err } = await watch(api, {
      step(text, { end }) {
        if (text.includes(' changed')) return end()
        serveRows(api, { nodes, change: nodeCutOff })
        api.always((request, response) => {
          if (++failures === 2) api.always(undefined)
          return overloaded(request, response)
        })
      },
    })
    expect(code).toBe(1)
    expect(out.split('\n')).toHaveLength(3)
    expect(err).toMatchInlineSnapshot(`
      "scout-probe: http://api rejected list of endpointslices.discovery.k8s.io (503): overloaded
      scout-probe: the agents can be read again
      "
    `)
  })

  test('ends before it has begun if the first look fails', async () => {
    const api = await startFakeCluster({ nodes })
    api.always(answerStatus(503, 'overloaded'))
    expect(await watch(api, { step() {} })).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringContaining('overloaded'),
    })
  })
})

const terminal = { terminalColumns: 80, terminalRows: 24 }

/** Returns what the screen showed after each write, line by line. */
function screens(out: string): readonly string[] {
  return out
    .split('\x1b[H')
    .slice(1)
    .map((drawn) => (drawn.split('\x1b[J')[0] ?? '').replaceAll('\x1b[K', ''))
}

describe('a watch on a terminal', slow, () => {
  /** Replaces the time of day, which is shown. */
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date'], now: new Date(2026, 0, 2, 12, 0, 0) })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  test('redraws what changes, first of all the incidents', async () => {
    const api = await startFakeCluster({ nodes })
    const { code, out } = await watch(api, {
      terminal,
      step(text, { end }) {
        if (text.includes('critical')) end()
        else serveRows(api, { nodes, change: udpDropped })
      },
    })
    expect(code).toBe(1)
    const [before = '', after = ''] = screens(out).map((text) => text.replace(/incident\s+[0-9a-f]{12}/, 'incident ID'))
    expect(before).toMatchInlineSnapshot(`
      "12:00:00, every 1s until Ctrl-C

      no incidents

      from \\ to  node1  node2  node3  dns
      node1      -      ok     ok     ok
      node2      ok     -      ok     ok
      node3      ok     ok     -      ok

      6 links between 3 nodes: 6 ok; dns on 3 nodes: 3 ok

      scout pods:
          node: node1
                  scout-on-node1.scout.10.244.1.5
                  scout-on-node1.scout.fd00:10:244:1::5
          node: node2
                  scout-on-node2.scout.10.244.2.5
                  scout-on-node2.scout.fd00:10:244:2::5
          node: node3
                  scout-on-node3.scout.10.244.3.5
                  scout-on-node3.scout.fd00:10:244:3::5"
    `)
    expect(after).toMatchInlineSnapshot(`
      "12:00:00, every 1s until Ctrl-C

      critical: UDP is dropped: node2 -> node1
          protocol-filtered, sure (99 %), since 11:57:50 (2m10s), incident ID
          udp and udp-large get no answer on node2 -> node1 (52 attempts)
          http, http-large, tcp and icmp pass on node2 -> node1 (104 attempts)
          not checksum-broken: http over IPv4 passes; not family-broken: http over
              IPv4 passes; not asymmetric-route: http over IPv4 passes; not
              overlay-blocked: http over IPv4 passes
          next: scout-probe --from node2 udp 10.244.1.5 --count 20

      from \\ to  node1                   node2  node3  dns
      node1      -                       ok     ok     ok
      node2      udp udp-large: timeout  -      ok     ok
      node3      ok                      ok     -      ok

      6 links between 3 nodes: 5 ok, 1 failing; dns on 3 nodes: 3 ok

      node2 -> node1: udp and udp-large fail since 11:57:50 (2m10s): timeout in echo:
          no answer within 3500 ms

      scout pods:
      and 9 more lines"
    `)
  })

  test('gives the terminal back at the end, with the last look', async () => {
    const api = await startFakeCluster({ nodes })
    const { code, out } = await watch(api, { terminal, step: (text, { end }) => screens(text).length === 1 && end() })
    expect(code).toBe(0)
    expect(out.startsWith('\x1b[?1049h')).toBe(true)
    const [, left = ''] = out.split('\x1b[?1049l')
    expect(left.trimEnd()).toBe(screens(out)[0])
    expect(left).toContain('6 links between 3 nodes: 6 ok')
  })

  test('is never longer than the terminal', async () => {
    const api = await startFakeCluster({ nodes })
    const { out } = await watch(api, {
      terminal: { terminalColumns: 80, terminalRows: 10 },
      step: (_, { end }) => end(),
    })
    const lines = screens(out)[0]?.split('\n') ?? []
    expect(lines).toHaveLength(10)
    expect(lines.at(-1)).toMatch(/^and \d+ more lines$/)
  })

  test('is drawn for the new size when that changes', async () => {
    const api = await startFakeCluster({ nodes, change: udpDropped })
    const { out } = await watch(api, {
      terminal,
      step(text, { end, resize }) {
        if (screens(text).length === 1) resize(50)
        else end()
      },
    })
    const widthOf = (text = '') => Math.max(...text.split('\n').map(({ length }) => length))
    expect(widthOf(screens(out)[0])).toBeGreaterThan(50)
    expect(widthOf(screens(out)[1]?.split('scout pods')[0])).toBeLessThanOrEqual(50)
  })

  test('leaves the terminal at Ctrl-Z, and comes back with what it showed', async () => {
    const api = await startFakeCluster({ nodes })
    const { out } = await watch(api, {
      terminal,
      step(text, { end, suspend, resume }) {
        if (screens(text).length === 2) end()
        else if (text.endsWith('\x1b[?1049l')) resume()
        else if (text.endsWith('\x1b[J')) suspend()
      },
    })
    const [, first = '', second = ''] = out.split('\x1b[?1049h')
    expect(first).toMatch(/no incidents.*\?25h.*\?1049l$/s)
    expect(screens(second)[0]).toBe(screens(first)[0])
  })

  test('keeps the last look when the next one fails, and says so', async () => {
    const api = await startFakeCluster({ nodes })
    const { code, out } = await watch(api, {
      terminal,
      step(text, { end }) {
        if (text.includes('overloaded')) end()
        else api.always(answerStatus(503, 'overloaded'))
      },
    })
    expect(code).toBe(1)
    const [, last = ''] = screens(out)
    expect(last.replaceAll(api.server, 'http://api')).toMatch(
      /^12:00:00: .*overloaded; what\s+follows is from 12:00:00\n\nno incidents\n/s,
    )
    expect(last).toContain('6 links between 3 nodes: 6 ok')
  })

  test('ends with the exit code of the last look that is complete', async () => {
    const api = await startFakeCluster({ nodes })
    const { code, out } = await watch(api, {
      terminal,
      step(_, { end }) {
        api.always(() => {
          end()
          hang()
        })
      },
    })
    expect(code).toBe(0)
    expect(screens(out)).toHaveLength(1)
  })

  test('is lines where the terminal cannot be redrawn', async () => {
    const api = await startFakeCluster({ nodes, change: udpDropped })
    const { out } = await runCli(['mesh', '--watch', '--kube-api', api.server], {
      ...terminal,
      environment: { TERM: 'dumb' },
      onOutput: (_, end) => end(),
    })
    expect(out).toMatch(/^\S+ opened: critical: UDP is dropped: node2 -> node1 \([^\n]*\)\n$/)
  })
})

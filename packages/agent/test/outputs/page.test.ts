import type { Row } from '@scout/core'
import { expect, test } from 'vitest'
import { pageOf } from '../../src/outputs/page.ts'
import { incidentOf, meshViewOf } from '../support/mesh-view.ts'
import { failingSeriesOf, failureOf, peerOf, rowOf, seriesOf } from '../support/rows.ts'

test('reports that all is well when nothing fails', async () => {
  const page = await textOf(rowOf({ peers: [peerOf()], series: [seriesOf({ tookSeconds: [0.001548375] })] }))
  expect(page).toContain('<title>all well · scout on node-1</title>')
  expect(page).toContain('Every probed path works.')
  expect(page).toContain('1.548375ms')
  expect(page).not.toContain('<h2>Failing</h2>')
})

test('lists failures first, with their start and cause', async () => {
  const last = failureOf('refused', 'tcp probe of 10.0.0.2:8081: nobody listens there')
  const series = [seriesOf({ tookSeconds: [0.001] }), failingSeriesOf('refused', { last })]
  const page = await textOf(rowOf({ peers: [peerOf()], series }))
  expect(page).toContain('<title>1 failing · scout on node-1</title>')
  expect(page).toContain(
    '<li><b>tcp</b> to scout-2 on node-2 since 2023-10-30T22:09:44.899Z (5s): tcp probe of 10.0.0.2:8081: nobody listens there\n<small><a href="/api/v1/history?check=tcp&amp;to=node-2">history</a></small></li>',
  )
  expect(page.indexOf('<h2>Failing</h2>')).toBeLessThan(page.indexOf('<h2>Paths</h2>'))
})

test.each([
  { what: 'there are no paths', series: [] },
  { what: 'no path has a result', series: [seriesOf({})] },
])('shows that there are no results when $what', async ({ series }) => {
  const page = await textOf(rowOf({ peers: [peerOf()], series }))
  expect(page).toContain('<title>no results yet · scout on node-1</title>')
  expect(page).not.toContain('works')
})

test('does not report that all is well while the source of peers fails', async () => {
  const knowledge = { source: 'the API server', heardAtMs: 0, trouble: 'it does not answer' }
  const page = await textOf(rowOf({ knowledge, peers: [peerOf()], series: [seriesOf({ tookSeconds: [0.001] })] }))
  expect(page).toContain('<title>may be incomplete · scout on node-1</title>')
  expect(page).toContain('1 peer from the API server (it does not answer).')
})

test('shows why a peer is not probed', async () => {
  const peers = [
    peerOf({
      name: 'six',
      node: 'node-6',
      obstacle: 'it shares no address family with this agent',
    }),
    peerOf({ name: 'four', node: 'node-4', obstacle: 'no check targets it' }),
  ]
  expect(rowsIn(await textOf(rowOf({ peers })))).toEqual([
    'six node-6 · zone-b · ready not probed: it shares no address family with this agent',
    'four node-4 · zone-b · ready not probed: no check targets it',
  ])
})

test('has a row for each node with peers, for a node that lost its peers, and for checks that target no peer', async () => {
  const peers = [peerOf({ id: '1' }), peerOf({ id: '2', name: 'scout-b' }), peerOf({ id: '3', node: 'node-3' })]
  const series = [
    seriesOf({ check: 'dns', protocol: 'dns', to: undefined, family: undefined, tookSeconds: [4] }),
    ...['node-2', 'node-3', 'node-4'].map((to, index) => seriesOf({ to, tookSeconds: [index + 1] })),
  ]
  expect(rowsIn(await textOf(rowOf({ peers, series })))).toEqual([
    'scout-2 node-2 · zone-b · ready scout-b node-2 · zone-b · ready 1s',
    'scout-2 node-3 · zone-b · ready 2s',
    'node-4 no peer 3s',
    'cluster 4s',
  ])
})

test('shows how long a peer has not been ready, and the problems of its node', async () => {
  const peers = [peerOf({ state: 'starting', stateSinceMs: rowOf().takenAtMs - 120_000 }), peerOf({ node: 'node-3' })]
  const problems = [
    { type: 'Ready', status: 'Unknown', reason: 'NodeStatusUnknown' },
    { type: 'MemoryPressure', status: 'True', reason: '' },
  ]
  const nodes = [
    { name: 'node-2', isCordoned: true, problems },
    { name: 'node-3', isCordoned: false, problems: [] },
  ]
  expect(rowsIn(await textOf(rowOf({ peers, knowledge: { source: 'a test', nodes } })))).toEqual([
    expect.stringContaining(
      'node-2 · zone-b · starting for 2m · cordoned · not ready (NodeStatusUnknown) · MemoryPressure',
    ),
    expect.stringContaining('node-3 · zone-b · ready not probed'),
  ])
})

test('shows in the title of a cell how many of the last attempts failed', async () => {
  const titleOf = async (recent: { passed: number; failed: number; other: number }) =>
    /title="([^"]*)"/.exec(await textOf(rowOf({ series: [seriesOf({ tookSeconds: [1], recent })] })))?.[1]
  expect(await titleOf({ passed: 57, failed: 3, other: 0 })).toBe('10.0.0.2:8081: 3 of the last 60 attempts failed')
  expect(await titleOf({ passed: 0, failed: 0, other: 2 })).toBe(
    '10.0.0.2:8081: 0 of the last 2 attempts failed, 2 were inconclusive',
  )
})

test('shows the source of the peers, and why it may be wrong', async () => {
  const knowledge = { source: '/etc/scout/peers.yaml', heardAtMs: 0, trouble: 'cannot read it' }
  expect(await textOf(rowOf({ knowledge }))).toContain('0 peers from /etc/scout/peers.yaml (cannot read it).')
})

test.each([
  ['a script', '<script>alert(1)</script>'],
  ['the end of an attribute', '"><img src=x onerror=alert(1)>'],
  ['the end of an attribute in single quotes', "' onmouseover='alert(1)"],
  ['a character reference', '&lt;script&gt;'],
])('has the same elements and attributes when every name is %s', async (_, name) => {
  const page = await textOf(rowNamed(name), meshNamed(name))
  expect(skeletonOf(page)).toEqual(skeletonOf(await textOf(rowNamed('harmless'), meshNamed('harmless'))))
  expect(page).not.toContain(name)
})

test('lists the incidents above the failures, with what the watcher does not see, and those that are over', async () => {
  const closedAtMs = incidentOf().openedAtMs + 60_000
  const mesh = meshViewOf({
    speaker: 'node-1',
    isSpeaking: true,
    rows: 2,
    ready: 3,
    missing: [{ node: 'node-3', sinceMs: 1 }],
    incidents: [incidentOf(), incidentOf({ id: 'b', state: 'closed', closedAtMs, summary: 'it was slow' })],
  })
  const page = await textOf(rowOf({ series: [failingSeriesOf('refused')] }), mesh)
  expect(page).toContain(
    'protocol-filtered</b> udp from node-1 to node-2 is dropped since 2023-10-30T22:08:00.000Z (1m50s)',
  )
  expect(page).toContain('next: <code>scout-probe --from node-1 udp 10.0.0.2:8081</code> · incident 0123456789ab')
  expect(page).toContain('This agent sees 2 of 3 rows: none from node-3.')
  expect(page).toContain('closed 2023-10-30T22:09:00.000Z after 1m: protocol-filtered: it was slow')
  expect(page.indexOf('<h2>Incidents</h2>')).toBeLessThan(page.indexOf('<h2>Failing</h2>'))
})

/** Returns a view in which all remote text is `name`. */
function meshNamed(name: string) {
  const words = { id: name, cause: name, summary: name, evidence: [name], next: name }
  const rivals = [{ cause: name, confidence: 1, separatedBy: name }]
  return meshViewOf({
    speaker: name,
    isSpeaking: true,
    rows: 1,
    ready: 2,
    missing: [{ node: name, sinceMs: 1 }],
    incidents: [incidentOf({ ...words, rivals }), incidentOf({ ...words, state: 'closed', closedAtMs: 0 })],
  })
}

/** Returns a row in which all remote text is `name`. */
function rowNamed(name: string): Row {
  const peer = peerOf({ name, node: name, zone: name, addresses: [name] })
  const about = { check: name, target: name, to: name }
  return rowOf({
    self: { name, node: name, zone: name, addresses: [name], nodeAddresses: [name], version: name },
    knowledge: {
      source: name,
      heardAtMs: 0,
      trouble: name,
      nodes: [{ name, isCordoned: true, problems: [{ type: name, status: name, reason: name }] }],
    },
    peers: [peer],
    series: [
      seriesOf({ ...about, tookSeconds: [1] }),
      failingSeriesOf('refused', { ...about, last: failureOf('refused', name) }),
    ],
  })
}

/** Returns the tags with their attributes, without values. */
function skeletonOf(page: string): readonly string[] {
  return [...page.matchAll(/<[^>]*>/g)].map(([tag]) => tag.replaceAll(/"[^"]*"/g, '""'))
}

/** Returns the text of each table row. */
function rowsIn(page: string): readonly string[] {
  const rows = [...page.matchAll(/<tr><th scope="row">.*?<\/tr>/gs)]
  return rows.map(([row]) => row.replaceAll(/(<[^>]*>)+/g, ' ').trim())
}

async function textOf(row: Row, mesh = meshViewOf()): Promise<string> {
  return String(await pageOf(row, mesh))
}

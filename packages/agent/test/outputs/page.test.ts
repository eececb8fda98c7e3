import { expect, test } from 'vitest'
import type { Snapshot } from '../../src/memory/snapshot.ts'
import { pageOf } from '../../src/outputs/page.ts'
import { failingSeriesOf, failureOf, peerOf, seriesOf, snapshotOf } from '../support/snapshots.ts'

test('says that all is well when nothing fails', async () => {
  const page = await textOf(snapshotOf({ peers: [peerOf()], series: [seriesOf({ tookSeconds: [0.001548375] })] }))
  expect(page).toContain('<title>all well · scout on node-1</title>')
  expect(page).toContain('Every path that was probed works.')
  expect(page).toContain('1.548375ms')
  expect(page).not.toContain('<h2>Failing</h2>')
})

test('says first what fails, since when and why', async () => {
  const last = failureOf('refused', 'tcp probe of 10.0.0.2:8081: nobody listens there')
  const series = [seriesOf({ tookSeconds: [0.001] }), failingSeriesOf('refused', { last })]
  const page = await textOf(snapshotOf({ peers: [peerOf()], series }))
  expect(page).toContain('<title>1 failing · scout on node-1</title>')
  expect(page).toContain(
    '<li><b>tcp</b> to scout-2 on node-2 since 2023-10-30T22:09:44.899Z: tcp probe of 10.0.0.2:8081: nobody listens there</li>',
  )
  expect(page.indexOf('<h2>Failing</h2>')).toBeLessThan(page.indexOf('<h2>Paths</h2>'))
})

test.each([
  { what: 'there are no paths', series: [] },
  { what: 'no path has a result', series: [seriesOf({})] },
])('says that nothing is known when $what', async ({ series }) => {
  const page = await textOf(snapshotOf({ peers: [peerOf()], series }))
  expect(page).toContain('<title>nothing known · scout on node-1</title>')
  expect(page).not.toContain('works')
})

test('does not say that all is well while the source of the peers is in trouble', async () => {
  const knowledge = { source: 'the API server', heardAtMs: 0, trouble: 'it does not answer' }
  const page = await textOf(snapshotOf({ knowledge, peers: [peerOf()], series: [seriesOf({ tookSeconds: [0.001] })] }))
  expect(page).toContain('<title>not all known · scout on node-1</title>')
  expect(page).toContain('1 peers from the API server (it does not answer).')
})

test('says why a peer is not probed', async () => {
  const peers = [peerOf({ name: 'six', addresses: ['fd00::1'] }), peerOf({ name: 'four', addresses: ['10.0.0.9'] })]
  expect(rowsIn(await textOf(snapshotOf({ peers })))).toEqual([
    'six node-2 · zone-b · ready not probed: it has no address of a family that this agent has an address of',
    'four node-2 · zone-b · ready not probed: no check is about it',
  ])
})

test('gives each peer a row, be there two of one name, and one to what is not about peers', async () => {
  const peers = [peerOf({ id: '1', node: 'node-2' }), peerOf({ id: '2', node: 'node-3' })]
  const series = [
    ...peers.map((peer, index) => seriesOf({ peer, tookSeconds: [index + 1] })),
    seriesOf({ check: 'dns', protocol: 'dns', peer: undefined, family: undefined, tookSeconds: [3] }),
  ]
  expect(rowsIn(await textOf(snapshotOf({ peers, series })))).toEqual([
    'scout-2 node-2 · zone-b · ready 1s',
    'scout-2 node-3 · zone-b · ready 2s',
    'cluster 3s',
  ])
})

test('tells where the peers are known from, and why that may be out of date', async () => {
  const knowledge = { source: '/etc/scout/peers.yaml', heardAtMs: 0, trouble: 'cannot read it' }
  expect(await textOf(snapshotOf({ knowledge }))).toContain('0 peers from /etc/scout/peers.yaml (cannot read it).')
})

test.each([
  ['a script', '<script>alert(1)</script>'],
  ['the end of an attribute', '"><img src=x onerror=alert(1)>'],
  ['the end of an attribute in single quotes', "' onmouseover='alert(1)"],
  ['a character reference', '&lt;script&gt;'],
])('has the same elements and attributes when every name in it is %s', async (_, name) => {
  const page = await textOf(snapshotNamed(name))
  expect(skeletonOf(page)).toEqual(skeletonOf(await textOf(snapshotNamed('harmless'))))
  expect(page).not.toContain(name)
})

/** Everything that may come from elsewhere is called this. */
function snapshotNamed(name: string): Snapshot {
  const peer = peerOf({ name, node: name, zone: name, addresses: [name] })
  const about = { check: name, target: name, peer: { name, node: name, zone: name } }
  return snapshotOf({
    self: { name, node: name, zone: name, addresses: [name], nodeAddresses: [name], version: name },
    knowledge: { source: name, heardAtMs: 0, trouble: name },
    peers: [peer],
    series: [
      seriesOf({ ...about, tookSeconds: [1] }),
      failingSeriesOf('refused', { ...about, last: failureOf('refused', name) }),
    ],
  })
}

/** Tags with their attributes, less the values. */
function skeletonOf(page: string): readonly string[] {
  return [...page.matchAll(/<[^>]*>/g)].map(([tag]) => tag.replaceAll(/"[^"]*"/g, '""'))
}

/** Text of each row of the table. */
function rowsIn(page: string): readonly string[] {
  const rows = [...page.matchAll(/<tr><th scope="row">.*?<\/tr>/gs)]
  return rows.map(([row]) => row.replaceAll(/(<[^>]*>)+/g, ' ').trim())
}

async function textOf(snapshot: Snapshot): Promise<string> {
  return String(await pageOf(snapshot))
}

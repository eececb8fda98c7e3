import { expect, test } from 'vitest'
import { createSyntheticMesh } from '../../../../test/page/synthetic-mesh.mjs'
import { layoutOf, positionAt } from '../../web/matrix/layout.ts'
import { cellsText, failuresText, levelOf, levels, matrixOf, stateText } from '../../web/matrix/model.ts'
import type { Cell } from '../../web/state/documents.ts'

const nowMs = Date.UTC(2023, 9, 30, 22, 8, 0)
const links = createSyntheticMesh({ nodes: 4, zones: 2, nowMs }).links()

const ok: Cell = { check: 'http', state: 'ok', medianNs: 312_000 }
const silent: Cell = { check: 'udp', state: 'failing', symptom: 'silent', reason: 'timeout' }
const lossy: Cell = { check: 'udp', state: 'failing', symptom: 'lossy', loss: { low: 0.021, high: 0.064 } }
const slow: Cell = { check: 'tcp', state: 'failing', symptom: 'slow', slowerNs: 1_200_000 }
const jittery: Cell = { ...slow, symptom: 'jittery', spreadNs: 12_000_000 }
const unable: Cell = { check: 'icmp', state: 'unable' }

test.each([
  ['nothing', [], 'none', ''],
  ['what passes, although one check cannot run', [ok, unable], 'ok', '312 µs'],
  ['a loss', [ok, lossy], 'degraded', '1/2 2.10 to 6.40 % lost'],
  ['a delay', [slow], 'degraded', '1.20 ms slower'],
  ['jitter', [jittery], 'degraded', 'varies by 12.0 ms'],
  ['a failure rather than a loss', [ok, lossy, silent], 'failing', '1/3 timeout'],
] as const)('shows %s', (_, cells, ...shown) => {
  expect([levelOf(cells), cellsText(cells)]).toEqual(shown)
})

test('names the checks that fail alike together', () => {
  expect(failuresText([silent, { ...silent, check: 'udp-large' }, slow, ok])).toBe(
    'udp, udp-large: timeout; tcp: 1.20 ms slower',
  )
})

test('tells a check without a result whose attempts say nothing of the link from one that was not made', () => {
  const cell = { check: 'http', state: 'waiting' } as const
  expect(stateText(cell)).toBe('waiting')
  expect(stateText({ ...cell, reason: 'busy' })).toBe('waiting: busy')
  expect(stateText({ ...cell, state: 'failing', reason: 'timeout' })).toBe('timeout')
})

test('groups nodes by zone, in the order of their names and numbers', () => {
  const { nodes, zones, counts } = matrixOf(links, {})
  expect(nodes.map(({ name }) => name)).toEqual(['node-1', 'node-3', 'node-2', 'node-4'])
  expect(zones).toEqual([
    { name: 'zone-a', first: 0, count: 2 },
    { name: 'zone-b', first: 2, count: 2 },
  ])
  expect(counts).toEqual({ none: 0, unable: 0, waiting: 0, ok: 11, degraded: 0, failing: 1 })
})

test.each([
  [{ protocol: 'udp' }, 'failing'],
  [{ protocol: 'tcp' }, 'ok'],
  [{ family: 'ipv6' }, 'none'],
  [{ vantage: 'host' }, 'none'],
  [{ direction: 'forth' }, 'degraded'],
  [{ direction: 'back' }, 'ok'],
] as const)('shows the broken link under the filter %j as %s', (filter, level) => {
  const { levels: found } = matrixOf(links, filter)
  expect(levels[found[2] ?? 0]).toBe(level)
})

test('shows links whose details a large mesh leaves out as ok, and those of a small one as unknown', () => {
  const [first, ...rest] = links.links.map((link) => ({ ...link, cells: [] }))
  const spared = { ...links, links: first === undefined ? rest : [first, ...rest] }
  expect(matrixOf({ ...spared, isAbridged: true }, {}).counts.ok).toBe(12)
  expect(matrixOf({ ...spared, isAbridged: false }, {}).counts.none).toBe(12)
})

test.each([1, 4, 40, 300])('fits %d nodes into a window, or scrolls, and finds each cell again', (nodes) => {
  const matrix = matrixOf(createSyntheticMesh({ nodes, zones: 3, nowMs }).links(), {})
  const { columns, rows, cellWidth, cellHeight, width } = layoutOf(matrix, 1_240)
  expect(width).toBeLessThanOrEqual(1_240)
  for (const [position, x] of columns.entries())
    expect(positionAt(columns, cellWidth, x + cellWidth / 2)).toBe(position)
  for (const [position, y] of rows.entries()) expect(positionAt(rows, cellHeight, y + cellHeight / 2)).toBe(position)
  expect(positionAt(columns, cellWidth, 0)).toBeUndefined()
  expect(layoutOf(matrix, 300).cellWidth).toBeGreaterThanOrEqual(3)
})

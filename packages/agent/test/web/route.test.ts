import { expect, test } from 'vitest'
import { hashOf, type Route, routeOf } from '../../web/state/route.ts'

const filter = {}

test.each<readonly [string, Route]>([
  ['', { view: 'mesh', filter }],
  ['#/services', { view: 'services', filter }],
  [
    '#/link/node-1/node%2F2?at=1700000000000',
    { view: 'mesh', link: { from: 'node-1', to: 'node/2' }, atMs: 1_700_000_000_000, filter },
  ],
  [
    '#/?incident=e20b&node=a&protocol=udp&direction=back',
    { view: 'mesh', incident: 'e20b', node: 'a', filter: { protocol: 'udp', direction: 'back' } },
  ],
])('reads %s, and writes it alike', (hash, route) => {
  expect(routeOf(hash)).toEqual(route)
  expect(routeOf(hashOf(route))).toEqual(route)
})

test.each(['#/link/only-one', '#/nothing?at=never&direction=up', '#/%E0%A4%A?at=-1', '#?at=1e999'])(
  'shows the mesh where it does not understand %s',
  (hash) => {
    expect(routeOf(hash)).toEqual({ view: 'mesh', filter })
  },
)

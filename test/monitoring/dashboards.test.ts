import { expect, test } from 'vitest'
import { type Dashboard, readDashboards } from './support/dashboards.ts'

const dashboards = readDashboards()

test('there are four, each found under its name', () => {
  expect([...dashboards].map(([name, { uid }]) => [name, uid])).toEqual(
    ['scout-link', 'scout-mesh', 'scout-self', 'scout-service'].map((uid) => [`${uid}.json`, uid]),
  )
})

test.each([...dashboards])(
  'the panels of %s have ids of their own, and places that do not overlap',
  (_, { panels }) => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, index) => `${x + (index % w)} ${y + Math.floor(index / w)}`),
    )
    expect(new Set(cells).size).toBe(cells.length)
    for (const { gridPos } of panels) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24)
  },
)

test.each([...dashboards])('the queries of %s use variables that it has, and each of these is used', (_, one) => {
  const own = one.templating.list.map(({ name }) => name)
  const used = new Set([...variablesIn(one), 'datasource'])
  expect([...used].toSorted()).toEqual(own.toSorted())
})

function variablesIn({ panels }: Dashboard): readonly string[] {
  const exprs = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)).join('\n')
  return [...exprs.matchAll(/\$(\w+)/g)].flatMap(([, name = '']) => (name.startsWith('__') ? [] : [name]))
}

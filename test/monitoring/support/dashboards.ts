import { readdirSync, readFileSync } from 'node:fs'
import { z } from 'zod'

const folder = new URL('../../../deploy/grafana/', import.meta.url)

const dataSource = z.strictObject({ type: z.literal('prometheus'), uid: z.literal('${datasource}') })

const target = z.strictObject({
  refId: z.string(),
  datasource: dataSource,
  expr: z.string().min(1),
  legendFormat: z.string(),
  instant: z.boolean(),
  range: z.boolean(),
  format: z.literal('table').optional(),
})

const gridPos = z.strictObject({ x: z.int().min(0), y: z.int().min(0), w: z.int().min(1).max(24), h: z.int().min(1) })

const panel = z.strictObject({
  id: z.int().min(1),
  type: z.enum(['stat', 'table', 'timeseries']),
  title: z.string().min(1),
  description: z.string().min(1),
  datasource: dataSource,
  gridPos,
  targets: z.array(target).min(1),
  fieldConfig: z.strictObject({
    defaults: z.looseObject({ unit: z.enum(['short', 's', 'percentunit', 'reqps', 'bytes']) }),
    overrides: z.array(z.unknown()),
  }),
  options: z.looseObject({}),
  transformations: z
    .array(z.strictObject({ id: z.enum(['organize', 'groupingToMatrix']), options: z.looseObject({}) }))
    .optional(),
})

const variable = z.union([
  z.looseObject({ name: z.string(), type: z.literal('datasource'), query: z.literal('prometheus') }),
  z.looseObject({
    name: z.string(),
    type: z.literal('query'),
    datasource: dataSource,
    query: z.strictObject({ query: z.string().startsWith('label_values('), refId: z.string() }),
    allValue: z.literal('.*'),
  }),
])

/** The used part of Grafana's dashboard model. */
const dashboard = z.looseObject({
  uid: z.string(),
  title: z.string().startsWith('Scout: '),
  description: z.string().min(1),
  tags: z.tuple([z.literal('scout')]),
  schemaVersion: z.literal(39),
  templating: z.strictObject({ list: z.array(variable) }),
  panels: z.array(panel).min(1),
})

export type Dashboard = z.output<typeof dashboard>

/** Reads all dashboards by the names of their files. */
export function readDashboards(): ReadonlyMap<string, Dashboard> {
  const names = readdirSync(folder).filter((name) => name.endsWith('.json'))
  return new Map(
    names.map((name) => [name, dashboard.parse(JSON.parse(readFileSync(new URL(name, folder), 'utf8')))] as const),
  )
}

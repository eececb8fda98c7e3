import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { probes } from '../../src/probes/index.ts'
import { optionsOf } from '../../src/probes/options.ts'
import { loadWritten, misfitOf, settingsOf, writtenShape, writtenValue } from '../../src/settings/index.ts'

const schema = z.strictObject({
  name: z.string().min(1).default('scout').describe('its name'),
  intervalMs: z.number().min(10).max(86_400_000).default(10_000).describe('time between two'),
  count: z.int().min(1).max(5).default(3).describe('how many'),
  ratio: z.number().positive().optional(),
  level: z.enum(['debug', 'info', 'warn']).default('info'),
  verify: z.boolean().default(true),
  key: z.string().default('').meta({ writeOnly: true }),
  headers: z
    .record(
      z.string(),
      z
        .string()
        .meta({ writeOnly: true })
        .refine((text) => text !== 'bad', 'write it well'),
    )
    .default({}),
  sizes: z.array(z.int().min(28).max(9000)).min(1).default([64, 1400]),
  delaysMs: z.array(z.number().max(1000)).default([1, 1000]),
  families: z.array(z.enum(['ipv4', 'ipv6'])).default(['ipv4']),
  address: z
    .string()
    .refine((text) => text === '::', 'is not an IP address')
    .meta({ defaultText: 'every address' })
    .optional(),
  console: z
    .strictObject({ port: z.int().min(0).max(65_535).default(8080), patienceMs: z.number().optional() })
    .prefault({}),
  peers: z.array(z.strictObject({ name: z.string(), graceMs: z.number().optional() })).default([]),
})

function complaint(written: object): string {
  const loaded = loadWritten(schema, written)
  if (loaded.ok) return 'none'
  const { misfit } = loaded
  const path = misfit.path.join('.')
  return misfit.kind === 'unknown' ? `no ${path}: ${misfit.hint}` : misfit.about(path)
}

describe('a written value', () => {
  test('is parsed by the schema, with durations in milliseconds at any depth', () => {
    const written = {
      interval: '1m30s',
      delays: ['1ms', '0.5s'],
      console: { patience: '2s' },
      peers: [{ name: 'a', grace: '1s' }],
    }
    expect(loadWritten(schema, written)).toMatchObject({
      ok: true,
      value: {
        intervalMs: 90_000,
        delaysMs: [1, 500],
        console: { port: 8080, patienceMs: 2_000 },
        peers: [{ name: 'a', graceMs: 1_000 }],
      },
    })
  })

  test('is displayed as written, with every secret hidden', () => {
    const { value } = z
      .object({ value: schema })
      .parse({ value: { key: 'hush', headers: { a: 'hush' }, peers: [{ name: 'a', graceMs: 500 }] } })
    const shown = writtenValue(schema, value)
    expect(shown).toMatchObject({
      interval: '10s',
      delays: ['1ms', '1s'],
      key: '(secret)',
      headers: { a: '(secret)' },
      peers: [{ name: 'a', grace: '500ms' }],
    })
    expect(JSON.stringify(shown)).not.toContain('hush')
  })

  test('has a JSON schema with the names people write', () => {
    const { properties = {} } = writtenShape(schema)
    expect(Object.keys(properties)).toContain('interval')
    expect(properties['interval']).toEqual({
      type: 'string',
      pattern: String.raw`^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$`,
      description: 'time between two',
    })
    expect(properties['delays']).toMatchObject({ type: 'array', items: { type: 'string' } })
    expect(properties['peers']).toMatchObject({
      items: { properties: { grace: { type: 'string' } }, required: ['name'] },
    })
  })
})

test.each<[written: object, sentence: string]>([
  [{ count: 9 }, 'count: 9 is out of range: it must be at least 1 and at most 5'],
  [{ count: 1.5 }, 'count: 1.5 is not a whole number: it must be at least 1 and at most 5'],
  [{ count: 'many' }, 'count: "many" is not a whole number: it must be at least 1 and at most 5'],
  [{ ratio: 0 }, 'ratio: 0 is out of range: it must be more than 0'],
  [{ interval: '0s' }, 'interval: "0s" is out of range: it must be at least 10ms and at most 24h'],
  [{ interval: 10 }, 'interval: 10 is not a duration: it has no unit: write 10ms or 10s'],
  [{ interval: '-1s' }, 'interval: "-1s" is not a duration: a duration cannot be negative'],
  [{ interval: true }, 'interval: true is not a duration: write it as 250ms, 1s or 1m30s'],
  [{ delays: ['1ms', '2s'] }, 'delays.1: "2s" is out of range: it must be at most 1s'],
  [{ intervalMs: 10 }, 'no intervalMs: did you mean interval?'],
  [{ console: { prot: 90 } }, 'no console.prot: did you mean port?'],
  [{ console: { colour: 90 } }, 'no console.colour: choose one of port, patience'],
  [{ peers: [{ nam: 'a' }] }, 'no peers.0.nam: did you mean name?'],
  [{ peers: [{}] }, 'peers.0.name is missing'],
  [{ level: 'wran' }, 'level: "wran" is not one of debug, info, warn: did you mean warn?'],
  [{ level: 'everything' }, 'level: "everything" is not one of debug, info, warn'],
  [{ verify: 'maybe' }, 'verify: "maybe" is not true or false'],
  [{ name: 7 }, 'name: 7 is not text'],
  [{ name: '' }, 'name: "" is too short: it must have at least 1 character'],
  [{ sizes: [] }, 'sizes: [] has too few entries: it must have at least 1'],
  [{ sizes: 64 }, 'sizes: 64 is not a list'],
  [{ sizes: [64, 9001] }, 'sizes.1: 9001 is out of range: it must be at least 28 and at most 9000'],
  [{ console: 80 }, 'console: 80 is not of the form "name: value"'],
  [{ address: 'here' }, 'address: "here" is not an IP address'],
  [{ key: 12_345 }, 'key: its value is not text'],
  [{ headers: { a: 'bad' } }, 'headers.a: its value is invalid: write it well'],
  [{ headers: 'Bearer hush' }, 'headers: its value is not of the form "name: value"'],
])('%j is rejected in one sentence', (written, sentence) => {
  expect(complaint(written)).toBe(sentence)
})

test('a value from code is rejected in its own spelling: names with units, plain numbers', () => {
  const input = { intervalMs: 1 }
  const error = schema.safeParse(input).error ?? new z.ZodError([])
  const misfit = misfitOf({ schema, error, input, isWritten: false })
  expect(misfit.kind === 'unfit' && misfit.about(misfit.path.join('.'))).toBe(
    'intervalMs: 1 is out of range: it must be at least 10 and at most 86400000',
  )
})

describe('the settings of a schema', () => {
  test('have a flag, a variable, a placeholder and a default as text', () => {
    const lines = settingsOf(schema).map(({ name, flag, variable, placeholder, defaultText, choices }) =>
      [`${name}: --${flag} <${placeholder}> ${variable}`, defaultText ?? '-', ...(choices ?? [])].join(' | '),
    )
    expect(lines).toMatchInlineSnapshot(`
      [
        "name: --name <text> NAME | scout",
        "interval: --interval <duration> INTERVAL | 10s",
        "count: --count <number> COUNT | 3",
        "ratio: --ratio <number> RATIO | -",
        "level: --level <choice> LEVEL | info | debug | info | warn",
        "verify: --verify <boolean> VERIFY | true",
        "key: --key <text> KEY | -",
        "headers: --headers <name: text> HEADERS | -",
        "sizes: --sizes <number,…> SIZES | 64, 1400",
        "delays: --delays <duration,…> DELAYS | 1ms, 1s",
        "families: --families <choice,…> FAMILIES | ipv4 | ipv4 | ipv6",
        "address: --address <text> ADDRESS | every address",
        "console.port: --console-port <number> CONSOLE_PORT | 8080",
        "console.patience: --console-patience <duration> CONSOLE_PATIENCE | -",
        "peers: --peers <structure,…> PEERS | -",
      ]
    `)
  })

  test.each<[name: string, texts: readonly string[], value: unknown]>([
    ['count', ['3'], 3],
    ['count', ['many'], 'many'],
    ['interval', ['1s'], '1s'],
    ['level', ['WARN'], 'warn'],
    ['verify', ['false'], false],
    ['sizes', ['64,1400'], [64, 1400]],
    ['sizes', ['64', '1400, 9000'], [64, 1400, 9000]],
    ['sizes', ['64,big'], [64, 'big']],
    ['sizes', [''], []],
    ['families', ['IPv6,ipv4'], ['ipv6', 'ipv4']],
    ['headers', ['accept: */*', 'a:b:c'], { accept: '*/*', a: 'b:c' }],
    ['headers', ['accept'], 'accept'],
  ])('%s is read from %j', (name, texts, value) => {
    const setting = settingsOf(schema).find((candidate) => candidate.name === name)
    expect(texts.reduce<unknown>((before, text) => setting?.read(text, before), undefined)).toEqual(value)
  })
})

test.each(Object.values(probes))('every option of the $protocol probe can be written as a flag', (probe) => {
  const settings = settingsOf(optionsOf(probe))
  expect(settings.filter(({ kind }) => kind === 'structure')).toEqual([])
  expect(settings.map(({ key }) => key)).toEqual(Object.keys(optionsOf(probe).shape))
  for (const { description } of settings) expect(description).not.toBe('')
})

import { optionsOf, probes } from '@scout/core'
import { Command } from 'commander'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { addFlags, flagsOf, valuesOf } from '../../src/flags/flags.ts'

const schema = z.object({
  intervalMs: z.number().min(1).default(1000).describe('time between two'),
  payloadBytes: z.int().min(28).max(1400).default(64).describe('size'),
  verify: z.boolean().default(true).describe('check the certificate'),
  isStrict: z.boolean().default(false).describe('mind the details'),
  transport: z.enum(['udp', 'tcp']).default('udp').describe('carrier'),
  key: z.string().default('').describe('secret'),
  headers: z.record(z.string(), z.string().max(5)).default({}).describe('extra fields'),
  dnsPort: z.int().min(0).optional().describe('port'),
  sizes: z.array(z.int().min(28).max(9000)).default([64]).describe('sizes to try'),
  families: z
    .array(z.enum(['ipv4', 'ipv6']))
    .default([])
    .describe('IP versions'),
  pausesMs: z.array(z.number().max(1000)).optional().describe('pauses'),
})

function parse(...argv: readonly string[]) {
  const flags = flagsOf(schema, { intervalMs: '-i' })
  const command = addFlags(new Command(), flags).exitOverride()
  command.parse(argv, { from: 'user' })
  return valuesOf(flags, command)
}

describe('a schema', () => {
  test('becomes flags that name their values', () => {
    expect(flagsOf(schema, { intervalMs: '-i' }).map(({ option }) => [option.flags, option.description])).toEqual([
      ['-i, --interval <duration>', 'time between two'],
      ['--payload-bytes <number>', 'size'],
      ['--no-verify', 'do not check the certificate'],
      ['--is-strict', 'mind the details'],
      ['--transport <choice>', 'carrier: udp, tcp'],
      ['--key <text>', 'secret'],
      ['--header <name: value>', 'extra fields; may be repeated'],
      ['--dns-port <number>', 'port'],
      ['--sizes <number,…>', 'sizes to try; may be repeated (default: 64)'],
      ['--families <choice,…>', 'IP versions: ipv4, ipv6; may be repeated'],
      ['--pauses <duration,…>', 'pauses; may be repeated'],
    ])
  })

  test('gets its values under its own keys, in its own units', () => {
    const argv = '-i 1m30s --payload-bytes 1400 --no-verify --is-strict --transport TCP --key k --dns-port 0'.split(' ')
    expect(parse(...argv, '--header', 'accept: */*', '--header', 'a:b:c')).toEqual({
      intervalMs: 90_000,
      payloadBytes: 1400,
      verify: false,
      isStrict: true,
      transport: 'tcp',
      key: 'k',
      headers: { accept: '*/*', a: 'b:c' },
      dnsPort: 0,
    })
  })

  test('accepts an empty command line', () => {
    expect(schema.parse(parse())).toEqual(schema.parse({}))
  })

  test('checks each pair of a record', () => {
    expect(() => parse('--header', 'accept: everything')).toThrow(
      '--header accept: "everything" is too long: it must have at most 5 characters',
    )
  })

  test.each([
    [['--sizes', '64,1400'], { sizes: [64, 1400] }],
    [['--sizes', '64', '--sizes', '1400,9000'], { sizes: [64, 1400, 9000] }],
    [['--families', 'IPv6', '--families=ipv4'], { families: ['ipv6', 'ipv4'] }],
    [['--pauses', '1ms,0.5s', '--pauses', '1s'], { pausesMs: [1, 500, 1000] }],
  ])('takes a list from %j', (argv, values) => {
    expect(parse(...argv)).toMatchObject(values)
  })

  test.each([
    [['--sizes', '64,20'], '--sizes: 20 is out of range: it must be at least 28 and at most 9000'],
    [['--sizes', 'big'], '--sizes: "big" is not a whole number: it must be at least 28 and at most 9000'],
    [['--families', 'ipv5'], '--families: "ipv5" is not one of ipv4, ipv6: did you mean ipv4?'],
    [['--pauses', '2s'], '--pauses: "2s" is out of range: it must be at most 1s'],
  ])('refuses %j', (argv, sentence) => {
    expect(() => parse(...argv)).toThrow(sentence)
  })

  test('has no flag for values that only a file can hold', () => {
    expect(flagsOf(z.object({ peers: z.array(z.object({ name: z.string() })) }))).toEqual([])
  })
})

test.each(Object.values(probes))(
  'the $protocol probe has a flag with a description for each of its options',
  (probe) => {
    const flags = flagsOf(optionsOf(probe))
    expect(flags.map(({ key }) => key)).toEqual(Object.keys(optionsOf(probe).shape))
    for (const { option } of flags) expect(option.description).not.toBe('')
  },
)

import { probes } from '@scout/core'
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
})

function parse(...argv: readonly string[]) {
  const flags = flagsOf(schema, { intervalMs: '-i' })
  const command = addFlags(new Command(), flags).exitOverride()
  command.parse(argv, { from: 'user' })
  return valuesOf(flags, command)
}

describe('a schema', () => {
  test('becomes flags that say what they take', () => {
    expect(flagsOf(schema, { intervalMs: '-i' }).map(({ option }) => [option.flags, option.description])).toEqual([
      ['-i, --interval <duration>', 'time between two'],
      ['--payload-bytes <number>', 'size'],
      ['--no-verify', 'do not check the certificate'],
      ['--is-strict', 'mind the details'],
      ['--transport <choice>', 'carrier: udp, tcp'],
      ['--key <text>', 'secret'],
      ['--header <name: value>', 'extra fields; may be repeated'],
      ['--dns-port <number>', 'port'],
    ])
  })

  test('gets its values back under its own keys, in its own units', () => {
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

  test('is content with an empty command line', () => {
    expect(schema.parse(parse())).toEqual(schema.parse({}))
  })

  test('judges each pair of a record', () => {
    expect(() => parse('--header', 'accept: everything')).toThrow('--header: "accept: everything"')
  })

  test('of a kind that has no flag is a mistake of ours, found when the program starts', () => {
    expect(() => flagsOf(z.object({ when: z.array(z.number()) }))).toThrow('option when: there is no kind of flag')
  })
})

test.each(Object.values(probes))(
  'the $protocol probe has a flag with a description for each of its options',
  (probe) => {
    for (const { option } of flagsOf(probe.options)) expect(option.description).not.toBe('')
  },
)

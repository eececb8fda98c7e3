import { isIPv6 } from 'node:net'
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { canonicalAddress, nearest, ScoutError } from '@scout/core'
import type { z } from 'zod'
import { writtenPeer } from '../peers/peer.ts'
import { packageVersion } from '../version.ts'
import { type LoadedConfig, loadConfig } from './config.ts'
import { configText } from './config-text.ts'
import { type Environment, type GivenSetting, simpleSettings } from './sources.ts'

/** Result of parsing a command line: a text to print before exiting, or the configuration to run with. */
export type Command = { readonly print: string } | Pick<LoadedConfig, 'config' | 'remarks'>

const ownFlags = {
  config: { type: 'string', placeholder: ' <file>', description: 'YAML file with settings' },
  peer: {
    type: 'string',
    multiple: true,
    placeholder: ' <peer>',
    description: 'peer as NODE=ADDRESS[,ADDRESS][:PORT], IPv6 in brackets; repeatable',
  },
  'print-config': { type: 'boolean', placeholder: '', description: 'print every setting with its source and exit' },
  help: { type: 'boolean', short: 'h', placeholder: '', description: 'print this help' },
  version: { type: 'boolean', placeholder: '', description: 'print the version' },
} as const

/** Parses the command line. @throws {ScoutError} for any misuse. */
export function parseCommand(args: readonly string[], environment: Environment): Command {
  const options: NonNullable<ParseArgsConfig['options']> = {
    ...ownFlags,
    ...Object.fromEntries(simpleSettings.map(({ flag }) => [flag, { type: 'string', multiple: true }])),
  }
  const { values, positionals, tokens } = parseArgs({
    args: [...args],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  for (const token of tokens) {
    if (token.kind !== 'option') continue
    if (!Object.hasOwn(options, token.name)) throw unknownFlag(token.rawName, Object.keys(options))
    const takesValue = options[token.name]?.type === 'string'
    if (takesValue !== (token.value !== undefined)) {
      throw new ScoutError('invalid-option', `flag ${token.rawName} ${takesValue ? 'needs a' : 'takes no'} value`)
    }
  }
  const [positional] = positionals
  if (positional !== undefined)
    throw new ScoutError('invalid-option', `"${positional}" is not a flag: flags begin with -- (see --help)`)
  if (values['help'] === true) return { print: helpText() }
  if (values['version'] === true) return { print: `${packageVersion()}\n` }
  const flags = simpleSettings.flatMap(({ name, flag }) =>
    [values[flag] ?? []].flat().map((text): GivenSetting => ({ path: name, text: String(text), origin: `--${flag}` })),
  )
  const file = values['config'] ?? environment['SCOUT_CONFIG']
  const peers = [values['peer'] ?? []].flat().map(String).map(parsePeer)
  const loaded = loadConfig({ file: typeof file === 'string' ? file : undefined, environment, flags, peers })
  return values['print-config'] === true ? { print: configText(loaded) } : loaded
}

function parsePeer(text: string): z.input<typeof writtenPeer> {
  const parts = /^(?<name>[^=]+)=(?<addresses>.+?)(?::(?<port>\d+))?$/.exec(text)?.groups
  const addresses = parts?.['addresses']?.split(',') ?? []
  const peer = {
    name: parts?.['name'] ?? '',
    // Without brackets, the last group of an IPv6 address would be taken for the port.
    addresses: addresses.map((address) => (isIPv6(address) ? '' : address.replace(/^\[(.*)\]$/, '$1'))),
    ...(parts?.['port'] === undefined ? {} : { port: Number(parts['port']) }),
  }
  const { error } = writtenPeer.safeParse(peer)
  if (error === undefined) return peer
  const unusable = error.issues.find(({ code, path }) => code === 'custom' && path[0] === 'addresses')
  const isAddress = peer.addresses.every((address) => canonicalAddress(address) !== undefined)
  if (isAddress && unusable !== undefined)
    throw new ScoutError('invalid-option', `--peer "${text}": ${unusable.message}`)
  throw new ScoutError(
    'invalid-option',
    `--peer "${text}" is not NODE=ADDRESS[,ADDRESS][:PORT]: write node-2=10.0.0.2,[fd00::2]:8081`,
  )
}

function unknownFlag(name: string, known: readonly string[]): ScoutError {
  const near = nearest(name.replace(/^-+/, ''), known)
  return new ScoutError(
    'unknown-option',
    `there is no flag ${name}: ${near === undefined ? 'see --help' : `did you mean --${near}?`}`,
  )
}

function helpText(): string {
  const line = (flag: string, text: string) => `  ${flag.padEnd(28)} ${text}\n`
  return [
    'usage: scout-agent [--config FILE] [settings]\n\nProbes every peer with every check, answers probes of peers, and reports the results.\n\n',
    ...Object.entries(ownFlags).map(([flag, { placeholder, description }]) =>
      line(`--${flag}${placeholder}`, description),
    ),
    '\nSettings: also in the file under the name in brackets, and in the environment under SCOUT_ and the name of the flag\n',
    ...simpleSettings.map(({ flag, placeholder, name, description, choices, defaultText }) => {
      const remarks = [
        ...(choices === undefined ? [] : [choices.join(', ')]),
        ...(defaultText === undefined ? [] : [`default: ${defaultText}`]),
      ]
      const remark = remarks.length === 0 ? '' : ` (${remarks.join('; ')})`
      return line(`--${flag} <${placeholder}>`, `${description}${remark} [${name}]`)
    }),
    '\nExamples:\n  scout-agent --node node-1 --peer node-2=10.0.0.2 --log text\n  scout-agent --config /etc/scout/config.yaml --print-config\n',
  ].join('')
}

import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { nearest, ScoutError } from '@scout/core'
import { createAgent } from './agent.ts'
import { familyOf } from './check.ts'
import { type Config, configSchema, type LoadedConfig, loadConfig } from './config.ts'
import { startConsole } from './console.ts'
import { createFileDiscovery, createListDiscovery } from './discovery/static.ts'
import { formatGoDateTime } from './go-time.ts'
import { createJsonLog, type Log } from './log.ts'
import { type Setting, settingsOf } from './settings.ts'
import { createTextLog } from './text-log.ts'

/** Runs one agent until a signal ends it; returns the exit code: 0 ended as asked, 1 could not run, 2 wrong usage. */
export async function runAgent(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  let command: Command
  try {
    command = parseCommand(args, environment)
  } catch (error) {
    if (!(error instanceof ScoutError)) throw error
    process.stderr.write(`scout-agent: ${error.message}\n`)
    return 2
  }
  if ('print' in command) {
    process.stdout.write(command.print)
    return 0
  }
  try {
    await serve(command.config)
    return 0
  } catch (error) {
    if (!(error instanceof Error)) throw error
    process.stderr.write(`scout-agent: ${explain(error)}\n`)
    return 1
  }
}

async function serve(config: Config): Promise<void> {
  const { console: consoleListen, responder, intervalMs, maxInFlight, checks } = config
  const self = {
    name: config.name,
    namespace: config.namespace,
    node: config.node,
    zone: config.zone,
    addresses: config.addresses,
    version: packageVersion(),
  }
  const log =
    config.log === 'text'
      ? createTextLog((text) => process.stdout.write(text), self)
      : createJsonLog(config.level, self)
  const document = () => ({ message: 'connected to scout', time: formatGoDateTime(new Date()) })
  const agent = createAgent({
    self,
    families: new Set(
      [...config.addresses, ...config.peers.flatMap(({ addresses }) => addresses).filter(isLoopback)].map(familyOf),
    ),
    discovery: discoveryOf(config, log),
    checks,
    intervalMs,
    maxInFlight,
    responder,
    document,
    events: log,
  })
  const stopped = untilSignal(log)
  const page = await startConsole({ ...consoleListen, snapshot: agent.snapshot, document })
  log.listening(`http://localhost:${page.port}`, responder.port)
  await agent.start()
  await stopped
  await agent.stop()
  await page.close()
  log.stopped()
}

function discoveryOf({ peersFile, peers }: Config, log: Log) {
  if (peersFile === undefined) return createListDiscovery(peers)
  return createFileDiscovery({ path: peersFile, pollMs: 1_000, onBroken: log.configurationBroken })
}

function untilSignal(log: Log): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        log.stopping(signal)
        resolve()
      })
    }
  })
}

type Command = { readonly print: string } | { readonly config: Config }

const ownFlags = {
  config: { type: 'string', description: 'YAML file with any of the settings' },
  peer: {
    type: 'string',
    multiple: true,
    description: 'a peer, as NODE=ADDRESS[,ADDRESS][:PORT] with IPv6 in brackets; repeatable',
  },
  'print-config': { type: 'boolean', description: 'print every setting with its source, and exit' },
  help: { type: 'boolean', short: 'h', description: 'print this' },
  version: { type: 'boolean', description: 'print the version' },
} as const

/** @throws {ScoutError} for any misuse. */
function parseCommand(args: readonly string[], environment: Readonly<Record<string, string | undefined>>): Command {
  const kinds = settingsOf(configSchema)
  const options = { ...ownFlags, ...Object.fromEntries(kinds.map(({ flag }) => [flag, { type: 'string' as const }])) }
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
    if (token.value === undefined && options[token.name as keyof typeof options].type === 'string') {
      throw new ScoutError('invalid-option', `flag ${token.rawName} needs a value`)
    }
  }
  const [positional] = positionals
  if (positional !== undefined)
    throw new ScoutError('invalid-option', `"${positional}" is not a flag: settings begin with -- (see --help)`)
  if (values['help'] === true) return { print: helpText(kinds) }
  if (values['version'] === true) return { print: `${packageVersion()}\n` }
  const flags = kinds.flatMap(({ path, flag }): readonly Setting[] => {
    const text = values[flag]
    return typeof text === 'string' ? [{ path, text, origin: `--${flag}` }] : []
  })
  const file = values['config'] ?? environment['SCOUT_CONFIG']
  const loaded = loadConfig({ file: typeof file === 'string' ? file : undefined, environment, flags })
  const peers = [...loaded.config.peers, ...(values['peer'] ?? []).map(String).map(parsePeer)]
  return values['print-config'] === true ? { print: configText(loaded) } : { config: { ...loaded.config, peers } }
}

function parsePeer(text: string): Config['peers'][number] {
  const parts = /^(?<node>[^=]+)=(?<addresses>.+?)(?::(?<port>\d+))?$/.exec(text)?.groups
  const parsed = configSchema.shape.peers.safeParse([
    {
      name: parts?.['node'] ?? text,
      addresses: parts?.['addresses']?.split(',').map((address) => address.replace(/^\[(.*)\]$/, '$1')) ?? [],
      ...(parts?.['port'] === undefined ? {} : { port: Number(parts['port']) }),
    },
  ])
  const [peer] = parsed.data ?? []
  if (peer !== undefined) return peer
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

function helpText(kinds: ReturnType<typeof settingsOf>): string {
  const line = (flag: string, text: string) => `  ${`--${flag}`.padEnd(22)} ${text}\n`
  return [
    'usage: scout-agent [--config FILE] [settings]\n\nProbes every peer with every check, answers them, and shows what it found.\n\n',
    ...Object.entries(ownFlags).map(([flag, { description }]) => line(flag, description)),
    '\nSettings: also in the file under the name in brackets, and in the environment under SCOUT_ and the name of the flag\n',
    ...kinds.map(({ flag, path, description, choices }) =>
      line(flag, `${description}${choices === undefined ? '' : ` (${choices.join(', ')})`} [${path}]`),
    ),
    '\nExamples:\n  scout-agent --node node-1 --peer node-2=10.0.0.2 --log text\n  scout-agent --config /etc/scout/config.yaml --print-config\n',
  ].join('')
}

function configText({ config, origins }: LoadedConfig): string {
  const rows = settingsOf(configSchema).map(({ path }) => {
    const value = path
      .split('.')
      .reduce<unknown>(
        (inner, key) => (typeof inner === 'object' && inner !== null ? Reflect.get(inner, key) : undefined),
        config,
      )
    return `${path}: ${JSON.stringify(value ?? null)}`.padEnd(48) + ` # ${origins.get(path) ?? 'default'}\n`
  })
  const checks = config.checks.map(
    ({ name, protocol, target, options }) => `  ${name}: ${JSON.stringify({ probe: protocol, target, ...options })}\n`,
  )
  return [
    ...rows,
    `checks: # ${[...origins].find(([path]) => path.startsWith('checks'))?.[1] ?? 'default'}\n`,
    ...checks,
  ].join('')
}

function packageVersion(): string {
  const content: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  return typeof content === 'object' && content !== null && 'version' in content ? String(content.version) : 'unknown'
}

function explain(error: Error): string {
  if ('code' in error && error.code === 'EADDRINUSE')
    return `${error.message}: another process has the port; choose another with --console-port or --responder-port`
  return error.message
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.')
}

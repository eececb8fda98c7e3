import { ScoutError } from '@scout/core'
import { createAgent } from './agent.ts'
import { familyOf } from './check.ts'
import { type Command, parseCommand } from './command-line.ts'
import type { Config } from './config.ts'
import { startConsole } from './console.ts'
import { createFileDiscovery, createListDiscovery } from './discovery/static.ts'
import { formatGoDateTime } from './go-time.ts'
import { createJsonLog, type Log } from './log.ts'
import { createTextLog } from './text-log.ts'
import { packageVersion } from './version.ts'

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

function explain(error: Error): string {
  if ('code' in error && error.code === 'EADDRINUSE')
    return `${error.message}: another process has the port; choose another with --console-port or --responder-port`
  return error.message
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.')
}

import { randomUUID } from 'node:crypto'
import { describeProviders, familyOf, mtuOf, printable, ScoutError, type Self, splitZone } from '@scout/core'
import { createAgent } from './agent.ts'
import { type Command, parseCommand } from './config/command-line.ts'
import type { Config } from './config/config.ts'
import { clusterDomain } from './config/host.ts'
import { chooseDiscovery } from './discovery/choose.ts'
import { chooseAccess } from './kubernetes/access.ts'
import { ApiError } from './kubernetes/api-error.ts'
import { createNodeEvents, type NodeEvents } from './kubernetes/node-events.ts'
import { ownNames } from './outputs/host-names.ts'
import type { Log } from './outputs/log.ts'
import { type LogOutput, openLogOutput } from './outputs/log-output.ts'
import { createRuntimeMetrics, metrics } from './outputs/metrics/metrics.ts'
import type { OtlpExport, OtlpOptions } from './outputs/metrics/otlp.ts'
import { startConsole } from './outputs/server.ts'
import { isLoopback } from './peers/reach.ts'
import { startLocalVantage } from './vantage/local.ts'
import { startVantageThread } from './vantage/thread.ts'
import { rootDocument } from './vantage/vantage.ts'
import { packageVersion } from './version.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** Runs one agent until a signal ends it. Returns the exit code: 0 ended by a signal, 1 could not run, 2 usage error, 3 not permitted. */
export async function runAgent(args: readonly string[], environment: Environment): Promise<number> {
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
    await serve(command, environment)
    return 0
  } catch (error) {
    if (!(error instanceof Error)) throw error
    process.stderr.write(`scout-agent: ${printable(explain(error, command.config))}\n`)
    return exitCodeOf(error)
  }
}

type Running = Exclude<Command, { readonly print: string }>

async function serve({ config, remarks }: Running, environment: Environment): Promise<void> {
  const { console: consoleListen, responder } = config
  const identity = { process: randomUUID(), startedAtMs: Date.now() }
  const self = {
    name: config.name,
    namespace: config.namespace,
    node: config.node,
    zone: config.zone,
    addresses: config.addresses,
    nodeAddresses: config.hostAddresses,
    mtu: mtuOf(config.addresses[0] ?? ''),
    version: packageVersion(),
  }
  const output = openLogOutput()
  const log = await createLog(config, self, output)
  const providers = describeProviders()
  log.providers(providers)
  remarks.forEach(log.remark)
  // Without the native part, ICMP needs raw-socket, which works only in the main thread.
  const startVantage = providers.icmp.name === 'native' ? startVantageThread : startLocalVantage
  const nodeEvents = config.nodeEvents ? await openNodeEvents(config, { environment, log }) : undefined
  const agent = createAgent({
    self,
    families: new Set(
      [...config.addresses, ...config.peers.flatMap(({ addresses }) => addresses).filter(isOnThisLink)].map(familyOf),
    ),
    ...identity,
    key: responder.key,
    discovery: await chooseDiscovery({ config, environment, caller: { ...self, ...identity }, events: log }),
    config,
    historyFile: config.historyFile,
    startVantage: (options) => startVantage({ ...options, responder }),
    events: {
      ...log,
      incidentChanged(change, incident, sight) {
        log.incidentChanged(change, incident, sight)
        nodeEvents?.report(change, incident)
      },
    },
    // The agent answers peers only once it has started, which follows the console. What needs a token is for peers that prove to be some.
    documentFor: async (question) =>
      consoleListen.token === '' || responder.key !== '' ? page.documentFor(question) : undefined,
  })
  const row = () => ({ ...agent.row(), console: { ...page.counters }, logLinesLost: output.lost })
  const exposed = {
    metrics: config.metrics.runtime ? [...metrics, ...createRuntimeMetrics()] : metrics,
    budget: config.metrics.series,
    row,
  }
  const stopped = untilSignal(log)
  const page = await startConsole({
    ...consoleListen,
    ...agent,
    node: config.node,
    ...exposed,
    names: [...ownNames({ ...config, domain: clusterDomain() }), ...consoleListen.names],
    document: rootDocument,
    onDefect: log.defect,
  })
  let otlp: OtlpExport | undefined
  try {
    log.listening(`http://localhost:${page.port}`)
    otlp = await openOtlpExport(config, { ...exposed, environment, log })
    // A signal also ends a start that is waiting for an API server.
    const started = await Promise.race([agent.start(), stopped])
    await Promise.race([stopped, ...(started === undefined ? [] : [started.failed])])
  } finally {
    // Close what a failed start opened, or the process would keep running without probing.
    try {
      // Probing has ended by the time the last metrics are read.
      await Promise.all([agent.stop(), otlp?.stop()])
    } finally {
      nodeEvents?.stop()
      await page.close()
    }
  }
  log.stopped()
}

/** @throws {ScoutError} `invalid-option` if there is no API server to write to */
async function openNodeEvents(
  config: Config,
  { environment, log }: { readonly environment: Environment; readonly log: Log },
): Promise<NodeEvents> {
  const access = await chooseAccess({ ...config, environment })
  return createNodeEvents({ access, agent: config.name, onTrouble: log.nodeEventsTroubled, onDefect: log.defect })
}

/** Loads the exporter only if there is a collector to send metrics to. */
async function openOtlpExport(
  { otlp: { endpoint, intervalMs } }: Config,
  { log, ...parts }: Pick<OtlpOptions, 'metrics' | 'budget' | 'row' | 'environment'> & { readonly log: Log },
): Promise<OtlpExport | undefined> {
  if (endpoint === undefined) return undefined
  const { startOtlpExport } = await import('./outputs/metrics/otlp.ts')
  return startOtlpExport({
    ...parts,
    endpoint,
    intervalMs,
    onTrouble: log.otlpTroubled,
    onRemark: log.remark,
    onDefect: log.defect,
  })
}

/** Loads only the chosen log. */
async function createLog({ log, level }: Config, self: Pick<Self, 'name' | 'node'>, output: LogOutput): Promise<Log> {
  if (log === 'json') return (await import('./outputs/log.ts')).createJsonLog({ level, self, output })
  return (await import('./outputs/text-log.ts')).createTextLog(output.write, self)
}

/** Whether an address can be reached without one that others can reach. */
function isOnThisLink(address: string): boolean {
  return isLoopback(address) || splitZone(address).zone !== undefined
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

function exitCodeOf(error: Error): number {
  if (error instanceof ScoutError) return 2
  return error instanceof ApiError && (error.status === 401 || error.status === 403) ? 3 : 1
}

function explain(error: Error, { console: { port } }: Config): string {
  if (!('code' in error) || error.code !== 'EADDRINUSE') return error.message
  const flag = 'port' in error && error.port === port ? '--console-port' : '--responder-port'
  return `${error.message}: another process uses the port; choose another with ${flag}`
}

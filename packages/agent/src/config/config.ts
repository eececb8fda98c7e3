import { type Check, loadWritten, ScoutError } from '@scout/core'
import { type DiscoveryKind, kindFor, lagMs } from './discovery-kind.ts'
import { clusterDomain } from './host.ts'
import { explainMisfit } from './misfit.ts'
import { grpcRemarks, otlpOf } from './otlp.ts'
import { configSchema, type Settings } from './schema.ts'
import { type ConfigSources, type Environment, gather, originText, unknownVariables, type Written } from './sources.ts'
import { parseChecks } from './written-check.ts'

/** Every setting, with defaults derived from other settings and from the host. */
export type Config = ReturnType<typeof complete>

export interface LoadedConfig {
  readonly config: Config
  /** Source of each setting that is not a default, by its path. */
  readonly origins: ReadonlyMap<string, string>
  /** Whether the checks are configured; otherwise they are the default. */
  readonly hasOwnChecks: boolean
  /** Sentences about what is probably a mistake. */
  readonly remarks: readonly string[]
}

/**
 * Loads the file, then the environment, then the flags.
 * @throws {ScoutError} with one sentence that names the setting, its source and the remedy.
 */
export function loadConfig(sources: ConfigSources): LoadedConfig {
  const written = gather(sources)
  const loaded = loadWritten(configSchema, written.settings)
  if (!loaded.ok) {
    const message = explainMisfit(loaded.misfit, (path) => originText(path, written))
    throw new ScoutError('invalid-option', message)
  }
  const config = complete(loaded.value, {
    written,
    environment: sources.environment,
    domain: clusterDomain(sources.resolvConf),
  })
  return {
    config,
    origins: written.origins,
    hasOwnChecks: loaded.value.checks !== undefined,
    remarks: [
      ...unknownVariables(sources.environment),
      ...grpcRemarks(config.otlp),
      ...(isAlone(config) ? [alone] : []),
    ],
  }
}

const alone =
  'there are no peers to probe: list them with --peer NODE=ADDRESS or --peers-file, or find them in a cluster with --kubeconfig'

function isAlone({ discovery, peers, peersFile }: Config): boolean {
  return discovery === 'static' && peers.length === 0 && peersFile === undefined
}

interface Surroundings {
  readonly written: Written
  readonly environment: Environment
  /** Domain of the cluster; undefined outside clusters. */
  readonly domain: string | undefined
}

function complete(settings: Settings, surroundings: Surroundings) {
  const { written, environment } = surroundings
  refuseTwoLists(settings, written)
  const discovery: DiscoveryKind = settings.discovery === 'auto' ? kindFor(settings, environment) : settings.discovery
  return {
    ...settings,
    node: settings.node ?? settings.name,
    discovery,
    responder: { ...settings.responder, ...guestPort(settings, written) },
    otlp: otlpOf(settings, written, environment),
    settleMs: settings.settleMs ?? lagMs[discovery],
    checks: checksOf(settings, surroundings),
  }
}

function checksOf(settings: Settings, { written, environment, domain }: Surroundings): readonly Check[] {
  const apiServer = environment['KUBERNETES_SERVICE_HOST']
  if (settings.checks === undefined && domain === undefined)
    written.origins.set('checks', 'default without dns, because resolv.conf has no cluster domain')
  return parseChecks(settings, { domain, apiServer, originOf: (name) => originText(['checks', name], written) })
}

function refuseTwoLists({ peers, peersFile }: Settings, written: Written): void {
  if (peersFile === undefined || peers.length === 0) return
  const places = `peers${originText(['peers'], written)} and peersFile${originText(['peersFile'], written)}`
  throw new ScoutError('invalid-option', `settings ${places} exclude each other: list all peers in one of them`)
}

/** Picks a free port outside the cluster: no peer probes the agent there, and kubectl proxy may use the default port. */
function guestPort({ kubeApi }: Settings, { origins }: Written): { readonly port?: number } {
  if (kubeApi === undefined || origins.has('responder.port')) return {}
  origins.set('responder.port', 'any, because of kubeApi')
  return { port: 0 }
}

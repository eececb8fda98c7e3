import { createProber, formatHostPort, type Prober, responderPort } from '@scout/core'
import type { Config } from '../config/config.ts'
import { chooseAccess } from '../kubernetes/access.ts'
import type { ApiAccess } from '../kubernetes/api.ts'
import { isInCluster } from '../kubernetes/service-account.ts'
import { askGreeting, type Caller } from '../peers/greeting.ts'
import type { Discovery } from '../peers/knowledge.ts'
import { listedPeer, type Peer } from '../peers/peer.ts'
import { baseUrl } from '../peers/reach.ts'
import { createDnsDiscovery, resolveBoth, serviceName } from './dns.ts'
import { createSliceDiscovery } from './endpoint-slices.ts'
import { createOutsideDiscovery } from './outside.ts'
import { createListDiscovery, openFileDiscovery } from './static.ts'

/** Events of discovery, in addition to its knowledge. */
export interface DiscoveryEvents {
  configurationBroken(error: Error): void
  /** Discovery ignored invalid data; one sentence. */
  oddity(what: string): void
  /** The path to the peers was chosen; one sentence. */
  way(what: string): void
  defect(error: unknown): void
}

interface ChooseOptions {
  readonly config: Config
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly caller: Caller
  readonly events: DiscoveryEvents
}

const pollMs = 5_000

/**
 * Returns the configured discovery.
 * @throws {ScoutError} `invalid-option` if it cannot work as configured.
 */
export async function chooseDiscovery(options: ChooseOptions): Promise<Discovery> {
  const discovery = await ofPeers(options)
  const listed = options.config.dnsPods.map(listedPeer)
  if (listed.length === 0) return discovery
  return {
    start: (onKnowledge) =>
      discovery.start((known) => onKnowledge({ ...known, dnsPods: [...listed, ...(known.dnsPods ?? [])] })),
    stop: () => discovery.stop(),
  }
}

async function ofPeers(options: ChooseOptions): Promise<Discovery> {
  const { config, events } = options
  switch (config.discovery) {
    case 'kubernetes':
      return kubernetes(options)
    case 'dns':
      return byName(options)
    case 'static':
      return listed(config, events)
    case 'nowhere':
      return createListDiscovery([], nowhere)
  }
}

const nowhere =
  'cannot find peers: this pod has no service account token for the API server, and no known namespace for DNS; mount the token, or set the namespace with --namespace'

async function listed({ peersFile, peers }: Config, { configurationBroken }: DiscoveryEvents): Promise<Discovery> {
  if (peersFile === undefined) return createListDiscovery(peers)
  return openFileDiscovery({ path: peersFile, pollMs: 1_000, onBroken: configurationBroken })
}

async function kubernetes({ config, environment, caller, events }: ChooseOptions): Promise<Discovery> {
  const { namespace, service, nodeConditions, dnsService, responder, addresses, kubeApi } = config
  const access = await chooseAccess({ ...config, environment })
  const isOutside = !isInCluster(environment)
  const slices = createSliceDiscovery({
    access,
    namespace,
    service,
    port: responder.port === 0 ? responderPort : responder.port,
    nodeConditions,
    dnsService,
    isFirstReadingNeeded: isOutside,
    onOddity: events.oddity,
    onDefect: events.defect,
  })
  if (!isOutside) return slices
  return withProber((prober) =>
    createOutsideDiscovery(slices, {
      proxyOf: kubeApi === undefined ? undefined : (peer) => proxyTo(peer, access),
      async isReachable(peer) {
        const base = baseUrl(peer, { addresses })
        const answer = base === undefined ? 'silent' : await askGreeting(prober, base, caller)
        // Routers and proxies may answer for addresses that are not theirs: only the pod itself answers with its name.
        return typeof answer !== 'string' && answer.name === peer.name
      },
      onWay: events.way,
      onDefect: events.defect,
    }),
  )
}

function proxyTo({ namespace = 'default', name, port }: Peer, { server }: ApiAccess): string {
  return `${server}/api/v1/namespaces/${namespace}/pods/${name}:${port}/proxy`
}

function byName({ config, caller, events }: ChooseOptions): Discovery {
  const { service, namespace, responder, addresses } = config
  const port = responder.port === 0 ? responderPort : responder.port
  const name = serviceName(service, namespace)
  return withProber((prober) =>
    createDnsDiscovery({
      name,
      port,
      pollMs,
      resolve: (wanted) => resolveBoth(wanted),
      isOwn: (address) => addresses.includes(address),
      async ask(address) {
        const answer = await askGreeting(prober, `http://${formatHostPort(address, port)}`, caller)
        return typeof answer === 'string' ? undefined : answer
      },
      onDefect: events.defect,
    }),
  )
}

function withProber(create: (prober: Prober) => Discovery): Discovery {
  const prober = createProber()
  const discovery = create(prober)
  return {
    start: discovery.start,
    stop() {
      discovery.stop()
      prober.close()
    },
  }
}

import { ScoutError } from '@scout/core'
import type { ApiAccess } from '../kubernetes/api.ts'
import type { Resource } from '../kubernetes/api-error.ts'
import { findScouts } from '../kubernetes/find-scouts.ts'
import { type Listing, type ListWatchOptions, listAndWatch, type Timing } from '../kubernetes/list-watch.ts'
import { nodeConditionsOf } from '../kubernetes/nodes.ts'
import { peersOf, type Slice, slice } from '../kubernetes/slices.ts'
import type { Discovery, Knowledge } from '../peers/knowledge.ts'
import type { Peer } from '../peers/peer.ts'

export interface SliceDiscoveryOptions {
  readonly access: ApiAccess
  /** Default: the only namespace with such a Service, which needs the permission to list all namespaces. */
  readonly namespace?: string | undefined
  /** The headless Service of all agents. */
  readonly service: string
  /** Port of the responders if the Service names none. */
  readonly port: number
  /** Also watches the conditions of nodes, which needs a ClusterRole. */
  readonly nodeConditions: boolean
  /** NAMESPACE/NAME of the Service of cluster DNS; its pods are watched, too, which needs a Role in that namespace. */
  readonly dnsService?: string | undefined
  /** `start` fails when the first read fails, because a user is waiting. An agent in its cluster keeps retrying. */
  readonly isFirstReadingNeeded: boolean
  /** Called once for each invalid object. */
  readonly onOddity: (sentence: string) => void
  readonly onDefect: (error: unknown) => void
  readonly timing?: Partial<Timing>
}

/** Name of the responder's port in the Service. */
const portName = 'responder'

/** How long a Service without endpoints is normal, while Scout is being installed; later it is a mistake. */
const emptyForMs = 30_000

const slices = { group: 'discovery.k8s.io', version: 'v1', plural: 'endpointslices' } as const
const nodes: Resource = { group: '', version: 'v1', plural: 'nodes' }

/** Finds peers by watching the EndpointSlices of Scout's headless Service. */
export function createSliceDiscovery(options: SliceDiscoveryOptions): Discovery {
  const { access, service, isFirstReadingNeeded } = options
  const stopping = new AbortController()
  const reportOnce = createOnce(options.onOddity)
  return {
    async start(onKnowledge) {
      const namespace = options.namespace ?? (await findNamespace(options, stopping.signal))
      const source = `service ${service} in namespace ${namespace} at ${access.server}`
      let knowledge: Knowledge = { peers: [], source, heardAtMs: 0 }
      const report = (news: Partial<Knowledge>) => {
        knowledge = { ...knowledge, ...news }
        onKnowledge(knowledge)
      }
      const first = createGate()
      // Not caught on purpose: if even trouble cannot be reported, the process must end rather than look healthy.
      void watchSlices({ ...options, namespace, reportOnce, signal: stopping.signal }, (news, error) => {
        if (isFirstReadingNeeded && news.trouble !== undefined && first.isClosed()) {
          stopping.abort()
          return first.fail(error ?? new ScoutError('invalid-option', news.trouble))
        }
        report(news)
        first.open()
      })
      if (isFirstReadingNeeded) await first.passed
      const watching = { ...options, reportOnce, signal: stopping.signal }
      if (options.nodeConditions) void watchNodes(watching, report)
      if (options.dnsService !== undefined) void watchDnsPods(watching, options.dnsService, report)
    },
    stop: () => stopping.abort(),
  }
}

interface WatchOptions extends SliceDiscoveryOptions {
  readonly reportOnce: (sentence: string) => void
  readonly signal: AbortSignal
}

type News = Pick<Knowledge, 'heardAtMs' | 'trouble'> & Partial<Knowledge>

function watchSlices(options: WatchOptions, onNews: (news: News, error: Error | undefined) => void): Promise<void> {
  const { service, port, namespace, isFirstReadingNeeded, reportOnce, signal } = options
  const startedAtMs = performance.now()
  let known: Listing<Slice>['items']
  let peers: readonly Peer[] = []
  return listAndWatch(
    {
      ...slicesOf({ service, namespace }, options),
      onListing({ items, heardAtMs, trouble }) {
        if (items !== undefined && items !== known) {
          known = items
          const found = peersOf(items.values(), { portName, otherwisePort: port })
          found.oddities.forEach(reportOnce)
          peers = found.peers
        }
        const isEmpty = peers.length === 0 && (isFirstReadingNeeded || performance.now() - startedAtMs > emptyForMs)
        onNews(
          { peers, heardAtMs, trouble: trouble?.message ?? (isEmpty ? noScout(service, namespace) : undefined) },
          trouble,
        )
      },
    },
    signal,
  )
}

function watchNodes(
  { access, reportOnce, onDefect, timing, signal }: WatchOptions,
  report: (news: Partial<Knowledge>) => void,
): Promise<void> {
  return listAndWatch(
    {
      access,
      resource: nodes,
      parse: nodeConditionsOf,
      onOdd: (key, why) => reportOnce(`node ${key} is invalid and ignored: ${why}`),
      onDefect,
      timing,
      onListing({ items, trouble }) {
        if (trouble !== undefined) reportOnce(`cannot watch node conditions: ${trouble.message}`)
        if (items !== undefined) report({ nodes: [...items.values()] })
      },
    },
    signal,
  )
}

function watchDnsPods(
  options: WatchOptions,
  dnsService: string,
  report: (news: Pick<Knowledge, 'dnsPods'>) => void,
): Promise<void> {
  const { reportOnce, signal } = options
  const [namespace = '', service = ''] = dnsService.split('/')
  return listAndWatch(
    {
      ...slicesOf({ service, namespace }, options),
      onListing({ items, trouble }) {
        if (trouble !== undefined) reportOnce(`cannot watch the pods of cluster DNS: ${trouble.message}`)
        const isKnown = items !== undefined && trouble === undefined
        const found = peersOf(isKnown ? items.values() : [], { portName: 'dns', otherwisePort: 53 })
        found.oddities.forEach(reportOnce)
        report({ dnsPods: found.peers })
      },
    },
    signal,
  )
}

async function findNamespace({ access, service, timing }: SliceDiscoveryOptions, signal: AbortSignal): Promise<string> {
  const scouts = await findScouts({ access, signal, answerMs: timing?.answerMs ?? 10_000 })
  const namespaces = scouts
    .filter((scout) => scout.service === service)
    .map(({ namespace }) => namespace)
    .toSorted()
  const [namespace] = namespaces
  if (namespace !== undefined && namespaces.length === 1) return namespace
  if (namespace !== undefined) {
    const names = namespaces.join(', ')
    throw new ScoutError(
      'invalid-option',
      `several namespaces have a service ${service} (${names}): choose one with --namespace`,
    )
  }
  // Helm names the Service after the release.
  const [other] = scouts
  if (other === undefined) throw new ScoutError('invalid-option', noScout(service))
  throw new ScoutError(
    'invalid-option',
    `no service ${service} has endpoints in any namespace of this cluster, but Scout is installed: pass --service ${other.service} --namespace ${other.namespace}`,
  )
}

function noScout(service: string, namespace?: string): string {
  const where = namespace === undefined ? 'in any namespace of this cluster' : `in namespace ${namespace}`
  return `no service ${service} has endpoints ${where}: install Scout with kubectl apply -f deploy/scout.yaml, or set its service and namespace with --service and --namespace`
}

/** Returns how to watch the EndpointSlices of a Service. */
function slicesOf(
  { service, namespace }: Pick<WatchOptions, 'service' | 'namespace'>,
  { access, reportOnce, onDefect, timing }: WatchOptions,
): Omit<ListWatchOptions<Slice>, 'onListing'> {
  return {
    access,
    resource: { ...slices, namespace },
    // Kubernetes sets this label.
    labelSelector: `kubernetes.io/service-name=${service}`,
    parse: (object) => slice.parse(object),
    onOdd: (key, why) => reportOnce(`endpoint slice ${key} is invalid and ignored: ${why}`),
    onDefect,
    timing,
  }
}

/** Number of sentences that are remembered, those reported last: with ever new ones, an old one may be reported again. */
const rememberedSentences = 1_000

function createOnce(report: (sentence: string) => void): (sentence: string) => void {
  const reported = new Set<string>()
  return (sentence) => {
    const isNew = !reported.delete(sentence)
    reported.add(sentence)
    const [oldest = ''] = reported
    if (reported.size > rememberedSentences) reported.delete(oldest)
    if (isNew) report(sentence)
  }
}

/** Returns a promise that is resolved by `open`, or rejected by `fail`. */
function createGate() {
  let isClosed = true
  let settle: { readonly resolve: () => void; readonly reject: (error: Error) => void } | undefined
  const passed = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject }
  })
  return {
    passed,
    isClosed: () => isClosed,
    open() {
      isClosed = false
      settle?.resolve()
    },
    fail(error: Error) {
      isClosed = false
      settle?.reject(error)
    },
  }
}

import { isIPv6 } from 'node:net'
import { attemptsOf as countAttempts, countOf, idOf, type Row, type SeriesReport } from '@scout/core'
import { get, isReady, type Pod, podsIn } from './api.ts'

const labels = 'app.kubernetes.io/name=scout'

/** One agent: its pod as Kubernetes sees it, and its row. */
export interface AgentView {
  readonly pod: Pod
  readonly row: Row
}

/** Reads the rows of all agents with ready pods through the API server. @throws when one cannot be read */
export async function agentsIn(namespace: string): Promise<readonly AgentView[]> {
  return Promise.all((await readyPods(namespace)).map((pod) => viewOf(namespace, pod)))
}

/** Those of the ready agents that can be read just now. */
export async function agentsInReach(namespace: string): Promise<readonly AgentView[]> {
  const views = await Promise.allSettled((await readyPods(namespace)).map((pod) => viewOf(namespace, pod)))
  return views.flatMap((view) => (view.status === 'fulfilled' ? [view.value] : []))
}

async function readyPods(namespace: string): Promise<readonly Pod[]> {
  return (await podsIn(namespace, labels)).filter(isReady)
}

async function viewOf(namespace: string, pod: Pod): Promise<AgentView> {
  const path = `/api/v1/namespaces/${namespace}/pods/${pod.metadata.name}:8080/proxy/api/v1/snapshot`
  const response = await get(path, AbortSignal.timeout(3_000))
  return { pod, row: (await response.json()) as Row }
}

/** Sentences about agents that do not take exactly the other ready pods for ready, with their node and all their addresses. */
export function wrongPeers(agents: readonly AgentView[]): readonly string[] {
  return agents.flatMap(({ pod, row }) => {
    const others = agents.filter((other) => other.pod !== pod)
    const expected = others.map(({ pod }) => line(pod.metadata.name, pod.spec.nodeName, addressesOf(pod)))
    const found = row.peers
      .filter(({ state }) => state === 'ready')
      .map(({ name, node, addresses }) => line(name, node, addresses))
    return [
      ...expected.filter((peer) => !found.includes(peer)).map((peer) => `${pod.metadata.name} lacks ${peer}`),
      ...found.filter((peer) => !expected.includes(peer)).map((peer) => `${pod.metadata.name} still has ${peer}`),
    ]
  })
}

/** Sentences about what no agent has a good result of yet: each protocol to each peer over each family its pod has. */
export function missingResults(agents: readonly AgentView[], protocols: readonly string[]): readonly string[] {
  return agents.flatMap(({ pod, row }) =>
    row.peers.flatMap((peer) =>
      protocols.flatMap((protocol) =>
        familiesOf(pod)
          .filter((family) => !row.series.some((series) => isGood(series, { protocol, family, node: peer.node })))
          .map((family) => `${pod.metadata.name} has no good ${protocol} result over ${family} of ${peer.name}`),
      ),
    ),
  )
}

/** A link that failed, as an agent shows or logs it. */
export interface Sighting {
  /** The same for every sight of it. */
  readonly key: string
  readonly agentNode: string
  readonly peerNode: string
  readonly text: string
}

/** Links that an agent calls failing now, or has counted a failure of. */
export function failedLinks({ pod, row }: AgentView): readonly Sighting[] {
  return row.series.flatMap((series) => {
    const { to, state, total, last } = series
    if (to === undefined || (state !== 'failing' && countOf(total, 'failure') === 0)) return []
    const key = `${pod.metadata.name} ${idOf(series)}`
    const text = `${key} is ${state}, failed ${JSON.stringify(total.reasons)}, last ${JSON.stringify(last)}`
    return [{ key, agentNode: row.self.node, peerNode: to, text }]
  })
}

/** One link of one agent, with the number of attempts counted on it. */
export interface LinkCount {
  readonly link: string
  readonly to: string
  readonly attempts: number
}

/** How often each link was probed and counted, by agent and series, apart from those whose flow idles for minutes. */
export function countsOf(agents: readonly AgentView[]): readonly LinkCount[] {
  return agents.flatMap(({ pod, row }) =>
    row.series.flatMap((series) =>
      series.to === undefined || series.socket === 'idle'
        ? []
        : [{ link: `${pod.metadata.name} ${idOf(series)}`, to: series.to, attempts: countAttempts(series.total) }],
    ),
  )
}

/** A line an agent, for people: states and counters. */
export function summaryOf(agents: readonly AgentView[]): string {
  return agents
    .map(({ pod, row: { peers, series, setAside } }) => {
      const states = ['starting', 'ready', 'leaving'].map(
        (state) => `${peers.filter((peer) => peer.state === state).length} ${state}`,
      )
      const attempts = series.reduce((sum, { total }) => sum + countAttempts(total), 0)
      const failed = series.reduce((sum, { total }) => sum + countOf(total, 'failure'), 0)
      return `${pod.metadata.name} on ${pod.spec.nodeName}: peers ${states.join(', ')}; ${attempts} attempts, ${failed} failed, ${setAside} set aside`
    })
    .join('\n')
}

export function addressesOf({ status }: Pod): readonly string[] {
  return (status.podIPs ?? []).map(({ ip }) => ip)
}

function familiesOf(pod: Pod): readonly string[] {
  return addressesOf(pod).map((address) => (isIPv6(address) ? 'ipv6' : 'ipv4'))
}

function isGood(
  { protocol, family, to, state, total }: SeriesReport,
  wanted: { readonly protocol: string; readonly family: string; readonly node: string },
): boolean {
  return (
    protocol === wanted.protocol && family === wanted.family && to === wanted.node && state === 'ok' && total.passed > 0
  )
}

function line(name: string, node: string | undefined, addresses: readonly string[]): string {
  return `${name} on ${node} at ${addresses.toSorted().join(' and ')}`
}

import { isIPv6 } from 'node:net'
import type { SeriesView, Snapshot } from '@scout/agent'
import { get, isReady, type Pod, podsIn } from './api.ts'

const labels = 'app.kubernetes.io/name=scout'

/** One agent: its pod as Kubernetes sees it, and what the agent knows. */
export interface AgentView {
  readonly pod: Pod
  readonly snapshot: Snapshot
}

/** Agents whose pods are ready, with what they know, read through the API server. @throws when one cannot be read */
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
  return { pod, snapshot: (await response.json()) as Snapshot }
}

/** Sentences about agents that do not take exactly the other ready pods for ready, with their node and all their addresses. */
export function wrongPeers(agents: readonly AgentView[]): readonly string[] {
  return agents.flatMap(({ pod, snapshot }) => {
    const others = agents.filter((other) => other.pod !== pod)
    const expected = others.map(({ pod }) => line(pod.metadata.name, pod.spec.nodeName, addressesOf(pod)))
    const found = snapshot.peers
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
  return agents.flatMap(({ pod, snapshot }) =>
    snapshot.peers.flatMap((peer) =>
      protocols.flatMap((protocol) =>
        familiesOf(pod)
          .filter((family) => !snapshot.series.some((series) => isGood(series, { protocol, family, peer: peer.name })))
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
export function failedLinks({ pod, snapshot }: AgentView): readonly Sighting[] {
  return snapshot.series.flatMap(({ check, family, peer, state, failures, last }) => {
    if (peer === undefined || (state !== 'failing' && Object.keys(failures).length === 0)) return []
    const key = `${pod.metadata.name} ${check} ${family ?? ''} ${peer.name}`
    const text = `${key} on ${peer.node} is ${state}, failed ${JSON.stringify(failures)}, last ${JSON.stringify(last)}`
    return [{ key, agentNode: snapshot.self.node, peerNode: peer.node, text }]
  })
}

/** How often each link was probed and counted, by check, agent, peer and family. */
export function attemptsOf(agents: readonly AgentView[]): ReadonlyMap<string, number> {
  return new Map(
    agents.flatMap(({ pod, snapshot }) =>
      snapshot.series
        .filter(({ peer }) => peer !== undefined)
        .map(({ check, family, peer, attempts }) => [
          `${check} of ${pod.metadata.name} to ${peer?.name} over ${family}`,
          attempts,
        ]),
    ),
  )
}

/** A line an agent, for people: states and counters. */
export function summaryOf(agents: readonly AgentView[]): string {
  return agents
    .map(({ pod, snapshot: { peers, series, setAside } }) => {
      const states = ['starting', 'ready', 'leaving'].map(
        (state) => `${peers.filter((peer) => peer.state === state).length} ${state}`,
      )
      const attempts = series.reduce((sum, { attempts }) => sum + attempts, 0)
      const failed = series.reduce((sum, { attempts, successes }) => sum + attempts - successes, 0)
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
  { protocol, family, peer, state, successes }: SeriesView,
  wanted: { readonly protocol: string; readonly family: string; readonly peer: string },
): boolean {
  return (
    protocol === wanted.protocol &&
    family === wanted.family &&
    peer?.name === wanted.peer &&
    state === 'ok' &&
    successes > 0
  )
}

function line(name: string, node: string | undefined, addresses: readonly string[]): string {
  return `${name} on ${node} at ${addresses.toSorted().join(' and ')}`
}

import type { Lab } from '../../src/index.ts'
import { type Client, dns, download, http, ping, udp, upload } from './clients.ts'

/**
 * What clients see between the first two nodes of a lab, which are in one zone: from pod to pod in both families, small
 * and big; from node to node; and from the first pod to a third one, which no fault between the two concerns.
 */
export type Battery = Readonly<Record<keyof ReturnType<typeof clientsOf>, string>>

function clientsOf({ topology }: Lab) {
  const [pod, node] = ['pod1', 'node1']
  return {
    ping: ping(pod, '10.244.2.10'),
    pingFull: ping(pod, '10.244.2.10', '-M', 'do', '-s', String(topology.podMtu - 28)),
    ping6: ping(pod, 'fd00:244:2::10'),
    http: http(pod, '10.244.2.10:8081'),
    http6: http(pod, '[fd00:244:2::10]:8081'),
    httpOtherPort: http(pod, '10.244.2.10:8080'),
    download: download(pod, '10.244.2.10:8081'),
    upload: upload(pod, '10.244.2.10:8081'),
    udp: udp(pod, '10.244.2.10'),
    udpFull: udp(pod, '10.244.2.10', 1400),
    udpFragmented: udp(pod, '10.244.2.10', 4000),
    dns: dns(pod, '10.244.2.53'),
    hostPing: ping(node, '10.200.0.12'),
    hostHttp: http(node, '10.200.0.12:8081'),
    bystander: http(pod, '10.244.3.10:8081'),
  } satisfies Record<string, Client>
}

export async function observe(lab: Lab): Promise<Battery> {
  const outcomes = await Promise.all(
    Object.entries(clientsOf(lab)).map(async ([name, client]) => [name, await client(lab)] as const),
  )
  return { ...allOk, ...Object.fromEntries(outcomes) }
}

/** A healthy lab. */
export const allOk: Battery = {
  ping: 'ok',
  pingFull: 'ok',
  ping6: 'ok',
  http: 'ok',
  http6: 'ok',
  httpOtherPort: 'ok',
  download: 'ok',
  upload: 'ok',
  udp: 'ok',
  udpFull: 'ok',
  udpFragmented: 'ok',
  dns: 'ok',
  hostPing: 'ok',
  hostHttp: 'ok',
  bystander: 'ok',
}

/** Groups of clients, each with one outcome. */
export function all(outcome: string, ...names: readonly (keyof Battery)[]): Partial<Battery> {
  return Object.fromEntries(names.map((name) => [name, outcome]))
}

export const tcp = ['http', 'http6', 'httpOtherPort', 'download', 'upload'] as const
export const datagrams = ['udp', 'udpFull', 'udpFragmented', 'dns'] as const
export const pods = ['ping', 'pingFull', 'ping6', ...tcp, ...datagrams] as const
export const podsIpv4 = ['ping', 'pingFull', 'http', 'httpOtherPort', 'download', 'upload', ...datagrams] as const
export const hosts = ['hostPing', 'hostHttp'] as const

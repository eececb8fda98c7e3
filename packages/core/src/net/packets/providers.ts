import { FailureError } from '../../model/failure.ts'
import { nativePart } from '../native/native.ts'
import { openIcmpSocket } from './fallback-icmp.ts'
import { openUdpSocket } from './fallback-udp.ts'
import { nativeSockets } from './native-packet-socket.ts'
import type { OpenPacketSocket } from './packet-socket.ts'
import type { Question } from './question.ts'

export type Transport = 'udp' | 'icmp' | 'tcp'

/** Transport of each format of questions. */
export const transports = { echo: 'icmp', stamp: 'udp', syn: 'tcp' } as const satisfies Readonly<
  Record<Question['format'], Transport>
>

/** Implementation of one transport's packet sockets. */
export interface Provider {
  readonly name: 'native' | 'raw-socket' | 'dgram' | 'none'
  readonly open: OpenPacketSocket
  /** Number of sockets to send from in turn, each with its own port. */
  readonly sourcePorts: number
  /** Why the best one is not available, and what that costs; absent for the best. */
  readonly remark?: string
}

/**
 * Number of UDP source ports. Conntrack keeps an active flow on the endpoint it was first assigned. From a single port, a Service would
 * always reach the same endpoint, or none if it had none when the flow began (nf_conntrack_udp_timeout_stream, 120 s). With this many
 * ports in turn, the probes cover all equal-cost paths, and of a check every 10 s each flow expires between two requests. Those of a stream
 * do not, so the engine replaces its ports (native/lane.c).
 */
export const udpPorts = 16

/** Returns the first provider that works: the native part, then Node and its packages, then none. */
export function providerOf(transport: Transport): Provider {
  const obstacle = obstacleToNative(transport)
  if (obstacle === undefined)
    return { name: 'native', open: nativeSockets(transport), sourcePorts: transport === 'udp' ? udpPorts : 1 }
  const remark = `${obstacle}; times include event loop delays`
  switch (transport) {
    case 'udp':
      return { name: 'dgram', open: openUdpSocket, sourcePorts: 1, remark }
    case 'icmp':
      return { name: 'raw-socket', open: openIcmpSocket, sourcePorts: 1, remark }
    case 'tcp':
      return { name: 'none', open: refuse(obstacle), sourcePorts: 1, remark: obstacle }
  }
}

const obstacles = new Map<Transport, string | undefined>()

/**
 * Returns why the native part does not work for a transport, or undefined if it does. Tries it once, because some kernels do not
 * support timestamps (gVisor, seccomp filters). A missing permission does not count: the other providers would lack it, too.
 */
function obstacleToNative(transport: Transport): string | undefined {
  const part = nativePart()
  if (!part.isPresent) return part.reason
  if (!obstacles.has(transport)) obstacles.set(transport, refusalOf(nativeSockets(transport)))
  return obstacles.get(transport)
}

function refusalOf(open: OpenPacketSocket): string | undefined {
  try {
    open('ipv4', { arrived() {}, failed() {}, overflowed() {} }).close()
    return undefined
  } catch (error) {
    if (!(error instanceof FailureError)) throw error
    return error.reason === 'not-supported' ? error.message : undefined
  }
}

function refuse(reason: string): OpenPacketSocket {
  return () => {
    throw new FailureError('not-supported', reason)
  }
}

/** Name and remark of a provider. */
export type ProviderDescription = Pick<Provider, 'name' | 'remark'>

/** Returns the provider of each transport in this process. */
export function describeProviders(): Readonly<Record<Transport, ProviderDescription>> {
  const describe = (transport: Transport): ProviderDescription => {
    const { name, remark } = providerOf(transport)
    return { name, ...(remark === undefined ? {} : { remark }) }
  }
  return { udp: describe('udp'), icmp: describe('icmp'), tcp: describe('tcp') }
}

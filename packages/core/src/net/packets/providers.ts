import { FailureError } from '../../model/failure.ts'
import { nativePart } from '../native/native.ts'
import { openIcmpSocket } from './fallback-icmp.ts'
import { openUdpSocket } from './fallback-udp.ts'
import { openNativeIcmpSocket, openNativeTcpSocket, openNativeUdpSocket } from './native-packet-socket.ts'
import type { OpenPacketSocket } from './packet-socket.ts'

export type Transport = 'udp' | 'icmp' | 'tcp'

/** How packets of one transport are sent and timed here. */
export interface Provider {
  readonly name: 'native' | 'raw-socket' | 'dgram' | 'none'
  readonly open: OpenPacketSocket
  /** Sockets to ask from in turn, where each has a port of its own. */
  readonly sourcePorts: number
  /** Why it is not the best one, and what that costs; absent for the best. */
  readonly remark?: string
}

/**
 * Conntrack keeps a flow that is in use with the endpoint it was given: from one port a Service would be one endpoint for ever, or none,
 * where it had none when the flow began (nf_conntrack_udp_timeout_stream, 120 s). From so many ports in turn, at 10 s, each flow is
 * forgotten between two questions, and several paths of equal cost are all gone.
 */
const udpPorts = 16

/** The first that works: the native part, else what Node and its packages have, else none. */
export function providerOf(transport: Transport): Provider {
  const obstacle = obstacleToNative(transport)
  if (obstacle === undefined)
    return { name: 'native', open: nativeSockets[transport], sourcePorts: transport === 'udp' ? udpPorts : 1 }
  const remark = `${obstacle}; times include the wait for the event loop`
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
 * Why the native part is no use for it. A kernel may refuse what others grant, such as timestamps (gVisor, filters of system calls):
 * found out by trying, once. What is not permitted is no obstacle: no other provider is permitted more.
 */
function obstacleToNative(transport: Transport): string | undefined {
  const part = nativePart()
  if (!part.isPresent) return part.reason
  if (!obstacles.has(transport)) obstacles.set(transport, refusalOf(nativeSockets[transport]))
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

const nativeSockets: Readonly<Record<Transport, OpenPacketSocket>> = {
  udp: openNativeUdpSocket,
  icmp: openNativeIcmpSocket,
  tcp: openNativeTcpSocket,
}

function refuse(reason: string): OpenPacketSocket {
  return () => {
    throw new FailureError('not-supported', reason)
  }
}

/** A provider without the means to use it. */
export type ProviderDescription = Pick<Provider, 'name' | 'remark'>

/** What each transport of this process is sent and timed by. */
export function describeProviders(): Readonly<Record<Transport, ProviderDescription>> {
  const describe = (transport: Transport): ProviderDescription => {
    const { name, remark } = providerOf(transport)
    return { name, ...(remark === undefined ? {} : { remark }) }
  }
  return { udp: describe('udp'), icmp: describe('icmp'), tcp: describe('tcp') }
}

import { smallRequest } from '../../../checks/catalogue.ts'
import { type Cause, surely } from '../../cause.ts'
import type { Aspect } from '../../evidence.ts'
import { ofLinks, repeated } from '../parts.ts'

export const idleFlowDropped: Cause = {
  name: 'idle-flow-dropped',
  scopes: [...ofLinks, 'service', 'name-server'],
  severity: 'warning',
  rarity: 0,
  because: 'a device forgets idle connections',
  means: 'A device on the path forgets connections that have been idle, and drops what comes later.',
  shows: 'The first data after a pause is silent or reset. Fresh connections, and those in use, pass.',
  usually: [
    'Azure: the load balancer and outbound NAT forget after 4 minutes, without a reset unless that is enabled',
    'AWS: NAT gateway and NLB forget after 350 seconds; Google Cloud: NAT after 20 minutes',
    'connection tracking of the nodes was flushed, or its nf_conntrack_tcp_timeout_established is short',
  ],
  remedy: 'Send TCP keepalives more often than the device forgets, or raise its idle timeout.',
  variants: (failing) => {
    // Those that idle for less may live.
    const checks = new Set(failing.filter(isForgetful).map(({ check }) => check))
    const about = (aspect: Aspect) => isForgetful(aspect) && checks.has(aspect.check)
    return checks.size === 0 ? [] : [{ id: 'all', lines: [surely(about, 'forgotten')] }]
  },
  says: ({ where }) => `connections die when they idle: ${where}`,
  // Shorter and longer intervals show after which time.
  next: (said) =>
    repeated(said, said.failing.some(isTcpFlow) ? ` --keep --send '${smallRequest}' ${pauses}` : ` --keep ${pauses}`),
}

const pauses = '--interval 2m --count 3'

function isTcpFlow({ protocol }: Aspect): boolean {
  return protocol === 'tcp'
}

/** Idle flows; between pods, where nothing translates them, also those that idle only between attempts. */
function isForgetful({ socket, path }: Aspect): boolean {
  return socket === 'idle' || (socket === 'kept' && (path === 'pod' || path === 'node'))
}

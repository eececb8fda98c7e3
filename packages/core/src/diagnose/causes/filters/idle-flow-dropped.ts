import { type Cause, surely } from '../../cause.ts'
import { ifSeen, ofLinks, repeated, seenOf } from '../parts.ts'

const isIdle = ({ socket }: { readonly socket?: string | undefined }) => socket === 'idle'

export const idleFlowDropped: Cause = {
  name: 'idle-flow-dropped',
  scopes: [...ofLinks, 'service'],
  severity: 'warning',
  rarity: 0,
  waitsFor: 'sockets',
  because: 'a device forgets idle connections',
  means: 'A device on the path forgets connections that have been idle, and drops what comes later.',
  shows: 'The first data after a pause is silent or reset. Fresh connections, and those in use, pass.',
  usually: [
    'Azure: the load balancer and outbound NAT forget after 4 minutes, without a reset unless that is enabled',
    'AWS: NAT gateway and NLB forget after 350 seconds; Google Cloud: NAT after 20 minutes',
    'connection tracking of the nodes was flushed, or its nf_conntrack_tcp_timeout_established is short',
  ],
  remedy: 'Send TCP keepalives more often than the device forgets, or raise its idle timeout.',
  variants: (failing) =>
    ifSeen(failing, isIdle, { id: 'all', lines: [surely(isIdle, ...seenOf(failing, ['silent', 'reset', 'lossy']))] }),
  says: ({ where }) => `connections die when they idle: ${where}`,
  next: (said) => repeated(said),
}

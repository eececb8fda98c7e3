import { type Cause, type Selector, surely } from '../../cause.ts'
import { onNode, seenOf } from '../parts.ts'

/** Takes a port for each attempt. Half-open handshakes leave from ports that are reserved at the start. */
const connects: Selector = ({ protocol }) => protocol === 'tcp' || protocol === 'http'

export const portsExhausted: Cause = {
  name: 'ports-exhausted',
  scopes: ['link', 'node-side'],
  severity: 'critical',
  rarity: 0,
  because: 'the sender has no free port left',
  means: 'The sending host has no free port left for a connection to this address.',
  shows:
    'New TCP connections fail at once with EADDRNOTAVAIL, before anything is sent. What has its port already, such as UDP, and ping pass.',
  usually: [
    'one application opens very many short connections to one address; closed ones keep their port for a minute (TIME_WAIT)',
    'a small net.ipv4.ip_local_port_range, or net.ipv4.ip_local_reserved_ports for NodePorts',
    'Azure: SNAT ports of the load balancer (1,024 per node by default); Google Cloud NAT: 64 ports per VM; AWS NAT gateway: 55,000 to one address. Those are silent, not EADDRNOTAVAIL',
  ],
  remedy:
    'Reuse connections, widen the port range, or set net.ipv4.tcp_tw_reuse=1. ss -s on the sender counts sockets by state.',
  variants: (failing) =>
    seenOf(failing, ['exhausted']).map((symptom) => ({
      id: 'all',
      lines: [surely(connects, symptom)],
    })),
  says: ({ where, failing: [fact] }) => `${fact?.from ?? 'the sender'} has no free port left: ${where}`,
  next: (said) => onNode(said, 'cat /proc/net/sockstat'),
}

import type { Protocol } from '../probes/index.ts'
import { startDnsResponder } from './dns.ts'
import { startHttpResponder } from './http.ts'
import { startUdpResponder } from './udp.ts'

/** What answers each probe; null where the kernel does. A new probe does not compile until this is decided. */
export const responders = {
  http: startHttpResponder,
  // The handshake is the kernel's; the HTTP responder's socket accepts it.
  tcp: startHttpResponder,
  syn: startHttpResponder,
  udp: startUdpResponder,
  icmp: null,
  dns: startDnsResponder,
} as const satisfies Record<Protocol, unknown>

import type { CheckDefinition } from './check.ts'

/** Fits an overlay network (VXLAN leaves 1,450 of 1,500 bytes). If only checks of this size fail, the path drops nearly full packets. */
const largePayloadBytes = 1400

/** Takes some seventy segments. That exceeds the initial congestion window (10, RFC 6928), so full-sized segments must get through. */
const largeBodyBytes = 100_000

/**
 * Default checks of agents, `scout-probe all` and the demo. Most run once per general interval (default: 10 s). The expensive or
 * redundant ones run every third time. A large body costs a hundred times the packets of any other check. A full handshake adds little to
 * a half-open one, which the packet engine makes at a tenth of the cost, and to that of an HTTP request; a large ping adds little to a
 * large datagram.
 */
export const catalogue = [
  { name: 'http', protocol: 'http', options: { keepBytes: 256 } },
  {
    name: 'http-large',
    protocol: 'http',
    target: `{base}/bytes?size=${largeBodyBytes}`,
    options: { expectBytes: largeBodyBytes, expectFiller: true },
    rounds: 3,
  },
  { name: 'tcp', protocol: 'tcp', rounds: 3 },
  { name: 'syn', protocol: 'syn' },
  { name: 'udp', protocol: 'udp' },
  { name: 'udp-large', protocol: 'udp', options: { payloadBytes: largePayloadBytes } },
  { name: 'icmp', protocol: 'icmp' },
  { name: 'icmp-large', protocol: 'icmp', options: { payloadBytes: largePayloadBytes }, rounds: 3 },
  { name: 'dns', protocol: 'dns' },
] as const satisfies readonly CheckDefinition[]

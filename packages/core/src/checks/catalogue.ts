import type { CheckDefinition } from './check.ts'

/** Fits an overlay (VXLAN leaves 1,450 bytes of 1,500), so that a path where only this fails loses packets that are nearly full. */
const largePayloadBytes = 1400

/** Takes some seventy segments: more than a first congestion window (10, RFC 6928), so that full-sized segments have to pass. */
const largeBodyBytes = 100_000

/**
 * Every check that is made by default, by agents, `scout-probe all` and the demo alike. Most are made every round of the general interval
 * (10 s by default). The dear ones come every third: a large body costs a hundred times the packets of any other check, and half-open
 * handshakes and large pings say little that a handshake and a large datagram do not.
 */
export const catalogue = [
  { name: 'http', protocol: 'http', options: { keepBytes: 256 } },
  {
    name: 'http-large',
    protocol: 'http',
    target: `{base}/bytes?size=${largeBodyBytes}`,
    bytes: largeBodyBytes,
    rounds: 3,
  },
  { name: 'tcp', protocol: 'tcp' },
  { name: 'syn', protocol: 'syn', rounds: 3 },
  { name: 'udp', protocol: 'udp' },
  { name: 'udp-large', protocol: 'udp', options: { payloadBytes: largePayloadBytes } },
  { name: 'icmp', protocol: 'icmp' },
  { name: 'icmp-large', protocol: 'icmp', options: { payloadBytes: largePayloadBytes }, rounds: 3 },
  { name: 'dns', protocol: 'dns' },
] as const satisfies readonly CheckDefinition[]

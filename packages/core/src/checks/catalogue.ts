import type { CheckDefinition } from './check.ts'

/** Fits an overlay network (VXLAN leaves 1,450 of 1,500 bytes). If only checks of this size fail, the path drops nearly full packets. */
const largePayloadBytes = 1400

/** Exceeds every MTU without jumbo frames, so that the sender makes fragments. */
const fragmentedPayloadBytes = 4000

/** Takes some seventy segments. That exceeds the initial congestion window (10, RFC 6928), so full-sized segments must get through. */
const largeBodyBytes = 100_000

/**
 * Limit of the document of a responder, which has some hundred bytes, with the headers that proxies may add. A peer may send as much in every
 * attempt, and all of them may do so at once.
 */
const mostDocumentBytes = 80 << 10
const mostLargeBytes = largeBodyBytes + mostDocumentBytes

/** The smallest request that a responder answers, in one segment. */
export const smallRequest = 'HEAD / HTTP/1.1\\r\\nhost: scout\\r\\n\\r\\n'

/**
 * How long a connection of each link is idle: a little longer than any usual device remembers it (AWS 350 s, Google Cloud 10 minutes, Azure 4
 * minutes), so that one check finds all of them. Others, which a configuration may add, only tell sooner after which time.
 */
const idleMs = 605_000

/**
 * Default checks of agents, `scout-probe all` and the demo. Most run once per general interval (default: 10 s). The expensive or
 * redundant ones run every third time. A large body costs a hundred times the packets of any other check. A full handshake adds little to
 * a half-open one, which the packet engine makes at a tenth of the cost, and to that of an HTTP request; a large ping adds little to a
 * large datagram. Small datagrams are a stream of two a second, because loss shows the sooner the more packets there are; the packet engine
 * makes one result of twenty answers, and all that are due leave together. An idle connection costs each side a descriptor and some 5 KiB, and its series 12 KiB, but next to no time.
 */
export const catalogue = [
  { name: 'http', protocol: 'http', options: { keepBytes: 256, maxBytes: mostDocumentBytes } },
  {
    name: 'http-large',
    protocol: 'http',
    target: `{base}/bytes?size=${largeBodyBytes}`,
    options: { expectBytes: largeBodyBytes, expectFiller: true, maxBytes: mostLargeBytes },
    rounds: 3,
  },
  { name: 'tcp', protocol: 'tcp', rounds: 3 },
  {
    name: 'tcp-idle',
    protocol: 'tcp',
    options: { keep: true, send: smallRequest, expect: 'HTTP/1.1 ' },
    intervalMs: idleMs,
  },
  { name: 'syn', protocol: 'syn' },
  { name: 'udp', protocol: 'udp', isStream: true },
  { name: 'udp-large', protocol: 'udp', options: { payloadBytes: largePayloadBytes } },
  { name: 'udp-fragmented', protocol: 'udp', options: { payloadBytes: fragmentedPayloadBytes }, rounds: 3 },
  { name: 'icmp', protocol: 'icmp' },
  { name: 'icmp-large', protocol: 'icmp', options: { payloadBytes: largePayloadBytes }, rounds: 3 },
  { name: 'dns', protocol: 'dns' },
  { name: 'dns-kept', protocol: 'dns', options: { keep: true } },
  { name: 'dns-parallel', protocol: 'dns', options: { parallel: true }, rounds: 3 },
  // Not every name server outside clusters serves TCP.
  { name: 'dns-tcp', protocol: 'dns', options: { transport: 'tcp', requireTcp: false }, rounds: 3 },
] as const satisfies readonly CheckDefinition[]

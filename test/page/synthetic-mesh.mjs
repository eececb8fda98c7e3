// Documents of a mesh that does not exist, for the page: any number of nodes, a fault, and some history.

import { createRandom } from '../support/random.mjs'

/**
 * @typedef {import('../../packages/agent/web/state/documents.ts').LinksDocument} LinksDocument
 * @typedef {import('../../packages/agent/web/state/documents.ts').IncidentsDocument} IncidentsDocument
 * @typedef {import('../../packages/agent/web/state/documents.ts').HistoryDocument} HistoryDocument
 * @typedef {import('../../packages/agent/web/state/documents.ts').LinkDocument} LinkDocument
 * @typedef {import('../../packages/agent/web/state/documents.ts').Series} Series
 * @typedef {import('../../packages/agent/web/state/documents.ts').Collected} Collected
 * @typedef {import('../../packages/agent/web/state/documents.ts').SelfDocument} SelfDocument
 * @typedef {import('../../packages/agent/web/state/documents.ts').Cell} Cell
 * @typedef {{ nodes: number, zones: number, nowMs: number, firstNode?: string | undefined }} Size
 */

const faultAgeMs = 130_000
const checks = [
  { name: 'http', protocol: 'http' },
  { name: 'http-large', protocol: 'http' },
  { name: 'tcp', protocol: 'tcp' },
  { name: 'udp', protocol: 'udp' },
  { name: 'udp-large', protocol: 'udp' },
  { name: 'icmp', protocol: 'icmp' },
  { name: 'tcp-idle', protocol: 'tcp' },
].map((check) => ({ ...check, path: 'pod', vantage: 'pod' }))
const dns = { name: 'dns', protocol: 'dns', path: 'cluster-dns', vantage: 'pod' }

/**
 * Node 2 drops UDP from node 1; some nodes lose packets.
 *
 * @param {Size} size
 */
export function createSyntheticMesh({ nodes: count, zones, nowMs, firstNode = 'node-1' }) {
  const nodes = Array.from({ length: count }, (_, index) => ({
    name: index === 0 ? firstNode : `node-${index + 1}`,
    zone: `zone-${String.fromCharCode(97 + (index % zones))}`,
    state: /** @type {const} */ ('ready'),
  }))
  const [first, second] = nodes.map(({ name }) => name)
  const self = { node: first ?? '', name: `scout-${first}`, version: '0.1.0' }
  const sight = { speaker: self.node, isSpeaking: true, sees: { rows: count, ready: count, missing: [] } }
  const onsetMs = nowMs - faultAgeMs
  // Agents of large meshes leave out what passes.
  const isAbridged = count > 60

  /** @returns {LinksDocument} */
  const links = (atMs = nowMs) => {
    const random = createRandom(1)
    const pairs = nodes.flatMap((from) => nodes.filter((to) => to !== from).map((to) => ({ from, to })))
    return {
      takenAtMs: nowMs,
      ...(atMs === nowMs ? {} : { atMs }),
      record: { fromMs: nowMs - 86_400_000, toMs: nowMs },
      self,
      ...sight,
      by: self.node,
      isAbridged,
      nodes,
      checks: [...checks, dns],
      links: pairs.map(({ from, to }) => {
        const isBroken = from.name === first && to.name === second && atMs >= onsetMs
        const isLossy = to.name.endsWith('39') && atMs >= onsetMs
        const medianNs = (from.zone === to.zone ? 120_000 : 480_000) * random.between(0.9, 1.2)
        const isSpared = isAbridged && !isBroken && !isLossy
        const cells = (isSpared ? [] : checks).map(({ name, protocol }) =>
          cellOf({ name, protocol, medianNs, sinceMs: onsetMs }, { isBroken, isLossy }),
        )
        return { from: from.name, to: to.name, cells }
      }),
      others: nodes.map(({ name }) => ({
        from: name,
        target: '10.96.0.10',
        kind: /** @type {const} */ ('name-server'),
        cells: [{ check: 'dns', state: /** @type {const} */ ('ok'), sinceMs: nowMs - 7_200_000, medianNs: 610_000 }],
      })),
    }
  }

  /** @returns {IncidentsDocument} */
  const incidents = () => ({
    ...sight,
    incidents: [
      {
        kind: 'incident',
        id: 'e20b807f178c',
        cause: 'protocol-filtered',
        scope: { kind: 'link', from: first ?? '', to: second ?? '' },
        direction: 'forward',
        state: 'open',
        severity: 'critical',
        confidence: 0.99,
        openedAtMs: onsetMs,
        summary: `UDP is dropped: ${first} -> ${second}`,
        evidence: [
          `udp and udp-large get no answer on ${first} -> ${second} (52 attempts)`,
          `http, http-large, tcp and icmp pass on ${first} -> ${second} (104 attempts)`,
        ],
        ruledOut: [
          { cause: 'checksum-broken', because: 'http over IPv4 passes' },
          { cause: 'overlay-blocked', because: 'http over IPv4 passes' },
          { cause: 'routing-broken', because: 'http over IPv4 passes' },
        ],
        next: `scout-probe --from ${first} udp 10.244.2.5 --count 20`,
      },
      {
        kind: 'incident',
        id: '0b7ac0ffee12',
        cause: 'mtu-black-hole',
        scope: { kind: 'zone-pair', zones: ['zone-a', 'zone-b'] },
        direction: 'both',
        state: 'closed',
        severity: 'critical',
        confidence: 0.97,
        openedAtMs: nowMs - 5_400_000,
        closedAtMs: nowMs - 4_900_000,
        summary: 'packets with 1400 bytes of payload vanish while small ones pass: zone-a <-> zone-b',
        evidence: ['udp-large, icmp-large and http-large get no answer between zone-a and zone-b (310 attempts)'],
        ruledOut: [],
        next: `scout-probe --from ${first} mtu 10.244.2.5:8081`,
      },
    ],
  })

  /**
   * @param {string} from
   * @param {string} to
   * @returns {HistoryDocument}
   */
  const history = (from, to) => {
    const isBroken = from === first && to === second
    return {
      takenAtMs: nowMs,
      from,
      to,
      series: checks.map(({ name, protocol }, index) => {
        const isFailing = (/** @type {number} */ atMs) => isBroken && protocol === 'udp' && atMs >= onsetMs
        const random = createRandom(index + from.length * 7 + to.length)
        const slots = (/** @type {number} */ spanMs, /** @type {number} */ number) =>
          Array.from({ length: number }, (_, step) => {
            const fromMs = (Math.floor(nowMs / spanMs) - number + 1 + step) * spanMs
            const p50 = 450_000 * random.between(0.9, 1.15)
            const failed = isFailing(fromMs) ? spanMs / 10_000 : 0
            return {
              fromMs,
              passed: spanMs / 10_000 - failed,
              failed,
              other: 0,
              ...(protocol === 'udp' ? { lost: { sent: spanMs / 10_000, lost: failed, forth: failed, back: 0 } } : {}),
              reasons: failed > 0 ? [/** @type {const} */ ('timeout')] : [],
              ...(failed > 0
                ? {}
                : { timesNs: { min: p50 * 0.8, p50, p99: p50 * random.between(1.2, 2.5), max: p50 * 3 } }),
            }
          })
        return {
          check: name,
          protocol,
          path: /** @type {const} */ ('pod'),
          vantage: /** @type {const} */ ('pod'),
          family: /** @type {const} */ ('ipv4'),
          target: '10.244.2.5:8081',
          from,
          to,
          recent: { spanMs: 10_000, slots: slots(10_000, 60) },
          day: { spanMs: 60_000, slots: slots(60_000, 1_440) },
        }
      }),
      failures: isBroken
        ? Array.from({ length: 8 }, (_, index) => ({
            atMs: nowMs - index * 10_000,
            check: index % 2 === 0 ? 'udp' : 'udp-large',
            family: /** @type {const} */ ('ipv4'),
            reason: 'timeout',
            phase: 'echo',
            message: 'no answer within 3500 ms',
          }))
        : [],
    }
  }

  /**
   * @param {string} from
   * @param {string} to
   * @returns {LinkDocument}
   */
  const link = (from, to) => {
    const isBroken = from === first && to === second
    return {
      takenAtMs: nowMs,
      from,
      to,
      series: checks.map(({ name, protocol }) =>
        seriesOf({ name, protocol, from, to, nowMs }, isBroken && protocol === 'udp'),
      ),
      collected: isBroken ? proofsOf(to, nowMs - faultAgeMs + 60_000) : [],
    }
  }

  /** @returns {SelfDocument} */
  const selfDocument = () => ({
    takenAtMs: nowMs,
    startedAtMs: nowMs - 93_000_000,
    uptimeMs: 93_000_000,
    self: { ...self, namespace: 'scout', addresses: ['10.244.1.5'], nodeAddresses: ['192.0.2.11'], mtu: 1450 },
    isReady: true,
    knowledge: { source: 'EndpointSlices', heardAtMs: nowMs - 4_000 },
    schedule: { started: 1_284_332, late: 12, skipped: 0, lost: 0, inFlight: 3, waiting: 0 },
    lateness: {
      spanMs: 60_000,
      started: 620,
      late: 0,
      skipped: 0,
      stalledMs: 4.21,
      throttledMs: 0,
      stolenRatio: 0.0123,
    },
    peers: { ready: count - 1 },
    watchers: nodes.slice(0, 3).map(({ name }) => name),
    ...sight,
    abilities: [
      { name: 'raw ICMP sockets', isGranted: true, found: 'CAP_NET_RAW' },
      { name: 'raw TCP sockets', isGranted: false, found: 'no CAP_NET_RAW: add it to securityContext.capabilities' },
    ],
    probes: ['http', 'tcp', 'udp', 'icmp', 'dns'].map((protocol) => ({
      protocol,
      means: 'UDP socket',
      clocks: { tx: 'kernel', rx: 'kernel' },
    })),
    evidence: { sent: { accepted: 812 }, received: { accepted: 1_630, unknown: 2 } },
    console: { answered: 311, rejected: 1, unsent: 0 },
    logLinesLost: 0,
  })

  return { links, incidents, history, link, self: selfDocument }
}

/**
 * @param {{ name: string, protocol: string, medianNs: number, sinceMs: number }} check
 * @param {{ isBroken: boolean, isLossy: boolean }} fault
 * @returns {Cell}
 */
function cellOf({ name, protocol, medianNs, sinceMs }, { isBroken, isLossy }) {
  const base = { check: name, family: /** @type {const} */ ('ipv4') }
  if (isBroken && protocol === 'udp') {
    const failure = { symptom: 'silent', reason: 'timeout', phase: 'echo', message: 'no answer within 3500 ms' }
    return { ...base, state: 'failing', sinceMs, ...failure, lost: { sent: 60, lost: 13, forth: 13, back: 0 } }
  }
  if (isLossy && protocol === 'udp')
    return { ...base, state: 'failing', sinceMs, symptom: 'lossy', loss: { low: 0.021, high: 0.064 }, medianNs }
  const lost = protocol === 'udp' ? { sent: 60, lost: 0, forth: 0, back: 0 } : { sent: 60, lost: 0 }
  return { ...base, state: 'ok', sinceMs: sinceMs - 7_000_000, medianNs, lost }
}

/** @type {Readonly<Record<string, Readonly<Record<string, number>>>>} */
const phasesOf = {
  http: { connect: 120_000, write: 40_000, server: 300_000, transfer: 60_000 },
  tcp: { connect: 130_000 },
  udp: { echo: 90_000 },
  icmp: { echo: 80_000 },
}
const sizes = new Map([
  ['http-large', 100_000],
  ['udp-large', 1_400],
])

/**
 * @param {{ name: string, protocol: string, from: string, to: string, nowMs: number }} check
 * @param {boolean} isFailing
 * @returns {Series}
 */
function seriesOf({ name, protocol, from, to, nowMs }, isFailing) {
  const bytes = sizes.get(name)
  const phasesNs = phasesOf[protocol] ?? {}
  const isIdle = name === 'tcp-idle'
  const measured = {
    protocol,
    target: '10.244.2.5:8081',
    startedAtMs: nowMs - 4_000,
    clock: { tx: /** @type {const} */ ('kernel'), rx: /** @type {const} */ ('kernel') },
  }
  const failure = { reason: 'timeout', phase: 'echo', message: 'no answer within 3500 ms' }
  const failed = { ...measured, ok: /** @type {const} */ (false), phasesNs: {}, totalNs: 3_500_000_000, failure }
  const totalNs = Object.values(phasesNs).reduce((sum, ns) => sum + ns, 0)
  const detail = isIdle ? { ageNs: 605_000_000_000 } : {}
  const passed = { ...measured, ok: /** @type {const} */ (true), phasesNs, totalNs, detail }
  return {
    check: name,
    path: 'pod',
    vantage: 'pod',
    family: 'ipv4',
    protocol,
    from,
    to,
    target: measured.target,
    state: isFailing ? 'failing' : 'ok',
    sinceMs: nowMs - faultAgeMs,
    trials: 13,
    ...(bytes === undefined ? {} : { bytes }),
    ...(isIdle ? { socket: /** @type {const} */ ('idle') } : {}),
    total: { passed: 100, reasons: {} },
    succeededAtMs: nowMs - 4_000,
    recent: { passed: 47, failed: isFailing ? 13 : 0, other: 0 },
    medianNs: totalNs,
    setAside: 0,
    last: isFailing ? failed : passed,
    failures: isFailing
      ? Array.from({ length: 4 }, (_, index) => ({ ...failed, startedAtMs: nowMs - index * 10_000 }))
      : [],
  }
}

/**
 * One of two paths between the routers drops everything.
 *
 * @param {string} to
 * @param {number} atMs
 * @returns {readonly Collected[]}
 */
function proofsOf(to, atMs) {
  const about = { incident: 'e20b807f178c', to, target: '10.244.2.5:8081', family: /** @type {const} */ ('ipv4'), atMs }
  const hop = (/** @type {number} */ hop, /** @type {string} */ address, /** @type {number} */ medianNs) => ({
    hop,
    sent: 3,
    returned: address.endsWith('.9') ? 2 : 3,
    from: [{ address, isTarget: hop === 4, medianNs }],
  })
  const silent = (/** @type {number} */ hop) => ({ hop, sent: 3, returned: 0, from: [] })
  const isLost = (/** @type {number} */ flow) => flow % 3 === 0
  const count = Array.from({ length: 8 }, (_, flow) => flow)
  return [
    {
      ...about,
      proof: 'mtu',
      says: 'packets of 1450 bytes pass in both directions',
      packets: 40,
      values: {
        pathMtu: 1_450,
        interfaceMtu: 1_500,
        forward: { passes: 1_450, fails: 1_451 },
        back: { passes: 1_450 },
      },
    },
    {
      ...about,
      proof: 'flows',
      says: '3 of 8 flows lose 24 of 24 packets, the others lose 0 of 40',
      packets: 64,
      values: {
        sent: 64,
        lost: 24,
        failing: count.filter(isLost).map((flow) => `udp ${41_000 + flow}`),
        flows: count.map((flow) => ({ name: `udp ${41_000 + flow}`, sent: 8, lost: isLost(flow) ? 8 : 0 })),
      },
    },
    {
      ...about,
      proof: 'trace',
      says: '3 of 8 flows are lost after 10.0.2.1 (hop 2), the last router that answers, over tcp',
      packets: 96,
      values: {
        transport: 'tcp',
        ways: count.map((flow) => {
          const start = [hop(1, '10.0.1.1', 90_000), hop(2, isLost(flow) ? '10.0.2.1' : '10.0.2.9', 210_000)]
          const rest = isLost(flow) ? [silent(3), silent(4)] : [silent(3), hop(4, '10.244.2.5', 480_000)]
          return { sourcePort: 33_000 + flow, isReached: !isLost(flow), hops: [...start, ...rest] }
        }),
      },
    },
  ]
}

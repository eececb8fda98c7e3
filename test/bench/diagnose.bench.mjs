// How long it takes to explain a mesh of 1,000 nodes, each with 32 peers and 24 aspects of each link, and how much memory that takes.
// The facts are made from thin air, which shows speed and not whether the causes are right: npm run scoreboard shows that.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { explain, Fact } from '@scout/core'
import { Bench } from 'tinybench'

/** @typedef {import('@scout/core').Symptom} Symptom */
/** @typedef {(link: { from: number, to: number, protocol: string, bytes: number | undefined }) => Symptom | undefined} Fault */

const nodeCount = 1_000
const peerCount = 32
const zoneCount = 3
const families = /** @type {const} */ (['ipv4', 'ipv6'])
const checks = /** @type {const} */ ([
  { check: 'http', protocol: 'http' },
  { check: 'http-large', protocol: 'http', bytes: 100_000 },
  { check: 'tcp', protocol: 'tcp' },
  { check: 'syn', protocol: 'syn' },
  { check: 'udp', protocol: 'udp' },
  { check: 'udp-large', protocol: 'udp', bytes: 1_400 },
  { check: 'icmp', protocol: 'icmp' },
  { check: 'icmp-large', protocol: 'icmp', bytes: 1_400 },
  { check: 'own-http', protocol: 'http' },
  { check: 'own-tcp', protocol: 'tcp' },
  { check: 'own-udp', protocol: 'udp' },
  { check: 'own-icmp', protocol: 'icmp' },
])

/** @type {readonly import('@scout/core').Aspect[]} */
const aspects = checks.flatMap((check) => families.map((family) => ({ ...check, path: 'pod', vantage: 'pod', family })))

const atMs = Date.UTC(2026, 0, 1)
const names = Array.from({ length: nodeCount }, (_, index) => `node${index}`)
const nodes = names.map((name, index) => ({
  name,
  zone: `zone-${index % zoneCount}`,
  hasRow: true,
  isStarved: false,
  problems: [],
}))

/** @returns {import('@scout/core').Evidence} */
function meshWith(/** @type {Fault} */ fault) {
  /** @type {Fact[]} */
  const facts = []
  for (const [from, { name }] of nodes.entries()) {
    for (let peer = 1; peer <= peerCount; peer++) {
      // A step that is prime to the number of nodes spreads the peers, and gives each pair at most one link.
      const to = (from + peer * 31) % nodeCount
      const end = { kind: /** @type {const} */ ('node'), name: `node${to}` }
      for (const aspect of aspects) {
        const symptom = fault({ from, to, protocol: aspect.protocol, bytes: aspect.bytes }) ?? 'passes'
        const isWell = symptom === 'passes'
        facts.push(
          new Fact(aspect, {
            from: name,
            to: end,
            target: '192.0.2.1:8081',
            symptom,
            sinceMs: atMs - (isWell ? 10_000_000 : 40_000),
            trials: isWell ? 1_000 : 4,
            lastMs: atMs - 3_000,
          }),
        )
      }
    }
  }
  return { atMs, nodes, facts }
}

/** @type {Readonly<Record<string, Fault>>} */
const faults = {
  'all is well': () => undefined,
  'a node is down': ({ from, to }) => (from === 5 || to === 5 ? 'silent' : undefined),
  'a thousand lossy links': ({ from, to }) => ((from * 31 + to) % 32 === 0 ? 'lossy' : undefined),
  'a zone is cut off': ({ from, to }) => ((from % zoneCount === 0) === (to % zoneCount === 0) ? undefined : 'silent'),
  'UDP is dropped everywhere': ({ protocol }) => (protocol === 'udp' ? 'silent' : undefined),
  'everything is dead': () => 'silent',
}

setFlagsFromString('--expose-gc')
/** @type {() => void} */
const collectGarbage = runInNewContext('gc')

/** Returns the MiB that objects of JavaScript take, garbage included. */
function heapMiB() {
  return process.memoryUsage().heapUsed / 2 ** 20
}

const rows = []
for (const [name, fault] of Object.entries(faults)) {
  collectGarbage()
  const emptyMiB = heapMiB()
  const evidence = meshWith(fault)
  collectGarbage()
  const evidenceMiB = heapMiB() - emptyMiB
  explain(evidence)
  const explainedMiB = heapMiB() - emptyMiB
  const bench = new Bench({ iterations: 5, time: 0, warmupIterations: 1, warmupTime: 0, throws: true })
  let findings = 0
  bench.add(name, () => {
    findings = explain(evidence).length
  })
  await bench.run()
  const [row] = bench.table(({ result }) => {
    if (!('latency' in result)) throw new Error(`${name} did not end`)
    const { p50, max } = result.latency
    return {
      fault: name,
      findings,
      'median, ms': Math.round(p50),
      'most, ms': Math.round(max),
      'evidence, MiB': Math.round(evidenceMiB),
      'with explanation and garbage, MiB': Math.round(explainedMiB),
    }
  })
  rows.push(row)
}
console.log(`explain ${nodeCount} nodes × ${peerCount} links × ${aspects.length} aspects`)
console.table(rows)

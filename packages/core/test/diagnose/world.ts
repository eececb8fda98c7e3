import { catalogue } from '../../src/checks/catalogue.ts'
import { type CheckDefinition, makeCheck } from '../../src/checks/check.ts'
import { ownAspect } from '../../src/diagnose/aspects.ts'
import {
  type Aspect,
  changedFact,
  type Evidence,
  Fact,
  type Known,
  type NodeEvidence,
  type Symptom,
} from '../../src/diagnose/evidence.ts'
import { proofs } from '../../src/diagnose/proofs/index.ts'
import { proofAspect } from '../../src/diagnose/proofs/proof.ts'

/** Wall clock at which the evidence is read, and at which faults began. */
const atMs = Date.UTC(2026, 0, 2, 12, 0, 0)
const onsetMs = atMs - 40_000

/** What a fault does to one aspect; undefined leaves it as it is. */
export type Fault = (fact: Fact) => Symptom | Partial<Known> | undefined

export interface WorldOptions {
  readonly nodes?: number
  readonly zones?: number
  readonly families?: readonly string[]
  readonly isOverlay?: boolean
  /** Services that every node asks, by name. */
  readonly services?: readonly string[]
  /** Servers behind the address of the name server, which every node asks one by one. */
  readonly dnsPods?: readonly string[]
  /** Checks beside those of the catalogue. */
  readonly checks?: readonly CheckDefinition[]
  /** Whether every node also looks up the name of every other. */
  readonly looksUpPeers?: boolean
  /** Whether every proof has been collected on every link, and it is known which requests arrive. */
  readonly isProven?: boolean
  /** Changes what is known of a node. */
  readonly node?: (node: NodeEvidence) => Partial<NodeEvidence>
}

const dnsServer = '10.96.0.10'

/** Returns the evidence of a mesh in which every link without a fault is well. */
export function worldOf(faults: readonly Fault[], options: WorldOptions = {}): Evidence {
  const {
    nodes = 3,
    zones = 2,
    families = ['ipv4', 'ipv6'],
    isOverlay,
    services = [],
    dnsPods = [],
    node = () => ({}),
  } = options
  const named = options.looksUpPeers === true ? [{ name: 'peer-name', protocol: 'dns', path: 'name' } as const] : []
  const checks = [...catalogue, ...named, ...(options.checks ?? [])].map((check) =>
    makeCheck(check, { intervalMs: 10_000 }),
  )
  const all = Array.from({ length: nodes }, (_, index): NodeEvidence => {
    const known = {
      name: `node${index + 1}`,
      zone: `zone-${(index % zones) + 1}`,
      hasRow: true,
      isStarved: false,
      isOverlay,
      problems: [],
    }
    return { ...known, ...node(known) }
  })
  const speaking = all.filter(({ hasRow }) => hasRow)
  const clocks = speaking.map(
    ({ name }) =>
      new Fact(ownAspect('clock'), {
        from: name,
        to: { kind: 'node', name },
        target: name,
        symptom: 'passes',
        sinceMs: atMs - 10_000_000,
        trials: 3,
        lastMs: atMs,
      }),
  )
  const asked = speaking.flatMap(({ name: from }) =>
    services.map(
      (name) =>
        new Fact(
          { check: 'name', protocol: 'http', path: 'name', vantage: 'pod' },
          {
            from,
            to: { kind: 'service', name },
            target: `http://${name}/`,
            symptom: 'passes',
            sinceMs: atMs - 10_000_000,
            trials: 1_000,
            lastMs: atMs - 3_000,
          },
        ),
    ),
  )
  const facts = speaking.flatMap(({ name: from }) =>
    checks.flatMap(({ name: check, protocol, bytes, path, vantage, socket }): readonly Fact[] => {
      const aspect = { check, protocol, bytes, path, vantage, socket }
      const passes = {
        from,
        symptom: 'passes',
        sinceMs: atMs - 10_000_000,
        trials: 1_000,
        lastMs: atMs - 3_000,
      } as const
      if (path === 'dns-server')
        return [dnsServer, ...(check === 'dns' ? dnsPods : [])].map(
          (address) =>
            new Fact(
              { ...aspect, ...(address === dnsServer ? {} : { path: 'dns-pod', family: 'ipv4', server: address }) },
              { ...passes, to: { kind: 'name-server', name: dnsServer }, target: `kubernetes@${address}` },
            ),
        )
      return all
        .filter(({ name }) => name !== from)
        .flatMap(({ name }) =>
          families.map(
            (family) =>
              new Fact({ ...aspect, family }, { ...passes, to: { kind: 'node', name }, target: `${name}:8081` }),
          ),
        )
    }),
  )
  const pairs = speaking.flatMap(({ name: from }) => all.flatMap(({ name: to }) => (from === to ? [] : [{ from, to }])))
  const proven = (options.isProven === true ? pairs : []).flatMap(({ from, to }) =>
    families.flatMap((family) =>
      onDemand(family).map(
        (aspect) =>
          new Fact(aspect, {
            from,
            to: { kind: 'node', name: to },
            target: `${to}:8081`,
            symptom: 'passes',
            sinceMs: atMs - 3_000,
            trials: 100,
            lastMs: atMs - 3_000,
          }),
      ),
    ),
  )
  const shown = [...facts, ...proven, ...asked].map((fact) => broken(fact, faults)).filter(isShown)
  return { atMs, nodes: all, facts: [...clocks, ...shown] }
}

/** A flow that is kept shows only whether it passes or was dropped. */
function isShown({ socket, symptom }: Fact): boolean {
  return socket === undefined || symptom === 'passes' || symptom === 'forgotten'
}

/** Returns the fact as the first fault that changes it leaves it. */
export function broken(fact: Fact, faults: readonly Fault[]): Fact {
  for (const fault of faults) {
    const change = fault(fact)
    if (change === undefined) continue
    const changed = typeof change === 'string' ? { symptom: change } : change
    // A flow in use has to fail more often than others.
    const trials = changed.symptom === 'forgotten' ? 5 : 4
    return changedFact(fact, { sinceMs: onsetMs, trials, ...changed })
  }
  return fact
}

/** Returns whether a fact is about the link from one node to another, or in any direction between them. */
export function isBetween({ from, to }: Fact, one: string, other: string): boolean {
  return (from === one && to.name === other) || (from === other && to.name === one)
}

/** What is known only once something fails: what proofs are about, and on which ways requests arrive and answers return. */
function onDemand(family: string): readonly Aspect[] {
  const pod = { check: 'udp', protocol: 'udp', path: 'pod', vantage: 'pod', family } as const
  return [
    ...Object.values(proofs).flatMap(({ subject }) => (subject === undefined ? [] : [proofAspect(subject, family)])),
    { ...pod, direction: 'forward' },
    { ...pod, direction: 'return' },
  ]
}

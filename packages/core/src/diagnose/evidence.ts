import type { FailureReason } from '../model/failure.ts'
import type { Spread } from './detect/spread.ts'
import type { Collected } from './proofs/proof.ts'

/*
 * What diagnosis reasons about. A fact says how one aspect of a link behaves; what is not known has no fact, and counts neither for nor
 * against any cause.
 */

/**
 * How an aspect behaves. `denied-here`: the sender's own host rejects the packet. `exhausted`: a limit of a host is reached. `jittery`: times
 * vary more than before. `limited`, `queued`: packets sent together are spread or dropped, or wait long. `forgotten`: an open flow no longer
 * passes packets, a new one does. `remarked`: the DSCP changes on the way. `skewed`: a clock is wrong. `flapping`: it fails and passes in turn.
 */
export const symptoms = [
  'passes',
  'silent',
  'refused',
  'reset',
  'unreachable',
  'prohibited',
  'denied-here',
  'exhausted',
  'too-big',
  'wrong',
  'lossy',
  'slow',
  'jittery',
  'duplicated',
  'reordered',
  'limited',
  'queued',
  'forgotten',
  'remarked',
  'skewed',
  'flapping',
] as const

export type Symptom = (typeof symptoms)[number]

/** Those of some packets, which a detector finds in many of them. */
export const ofSome: ReadonlySet<Symptom> = new Set(['lossy', 'slow', 'jittery', 'duplicated', 'reordered', 'remarked'])

/** Those of packets that are as good as others. */
export const harmless: ReadonlySet<Symptom> = new Set(['passes', 'remarked'])

/** What is asked for over a link, and how. */
export interface Aspect {
  readonly check: string
  /** `host` for what a node reports about itself: a counter or its clock. */
  readonly protocol: string
  /** Bytes that it sends or requests, if its size matters. */
  readonly bytes?: number | undefined
  readonly path: string
  readonly vantage: string
  readonly family?: string | undefined
  /** Which packets are counted; absent for round trips. */
  readonly direction?: 'forward' | 'return' | undefined
  /** Whether it keeps a flow in use, or lets it idle; absent if each attempt opens its own. */
  readonly socket?: 'kept' | 'idle' | undefined
  /** Endpoint asked in person, behind an address that has several. */
  readonly server?: string | undefined
}

/** The end of a link: a node, or what a check without a peer is about (a name server, a service). */
export interface End {
  readonly kind: 'node' | 'name-server' | 'service'
  readonly name: string
}

/** What is known of an aspect of a link at present. */
export interface Known extends Failing {
  readonly from: string
  readonly to: End
  /** As the check names it: `10.244.1.31:8081`. */
  readonly target: string
  readonly symptom: Symptom
  /** Wall clock at which that began. */
  readonly sinceMs: number
  /** Attempts since then. */
  readonly trials: number
  /** Wall clock of the last of them. */
  readonly lastMs: number
  /** Median path time of the newest successes, for showing. */
  readonly medianNs?: number | undefined
}

/** What only failures have. */
interface Failing {
  /** Of packets or attempts, if it is lossy. */
  readonly loss?: Loss | undefined
  /** Of answered packets, if they are duplicated or remarked; of volleys, if they are reordered. */
  readonly odd?: Loss | undefined
  /** Of the newest packet that is remarked. */
  readonly dscp?: Remark | undefined
  /** Nanoseconds above the baseline, if it is slow or jittery. */
  readonly slowerNs?: number | undefined
  /** If it is jittery. */
  readonly spread?: Spread | undefined
  /** Of a failure. */
  readonly reason?: FailureReason | undefined
  readonly phase?: string | undefined
  readonly code?: string | undefined
  /** Address of the sender of an ICMP error. */
  readonly icmpFrom?: string | undefined
  readonly message?: string | undefined
}

/** How one aspect of a link behaves at present. A mesh has hundreds of thousands: all have one shape in memory, and share their aspects. */
export class Fact implements Aspect, Known {
  readonly aspect: Aspect
  readonly from: string
  readonly to: End
  readonly target: string
  readonly symptom: Symptom
  readonly sinceMs: number
  readonly trials: number
  readonly lastMs: number
  readonly medianNs: number | undefined
  readonly failure: Failing | undefined

  constructor(aspect: Aspect, known: Known) {
    this.aspect = aspect instanceof Fact ? aspect.aspect : aspect
    this.from = known.from
    this.to = known.to
    this.target = known.target
    this.symptom = known.symptom
    this.sinceMs = known.sinceMs
    this.trials = known.trials
    this.lastMs = known.lastMs
    this.medianNs = known.medianNs
    this.failure = failureIn(known)
  }

  get check() {
    return this.aspect.check
  }
  get protocol() {
    return this.aspect.protocol
  }
  get bytes() {
    return this.aspect.bytes
  }
  get path() {
    return this.aspect.path
  }
  get vantage() {
    return this.aspect.vantage
  }
  get family() {
    return this.aspect.family
  }
  get direction() {
    return this.aspect.direction
  }
  get socket() {
    return this.aspect.socket
  }
  get server() {
    return this.aspect.server
  }

  get loss() {
    return this.failure?.loss
  }
  get odd() {
    return this.failure?.odd
  }
  get dscp() {
    return this.failure?.dscp
  }
  get slowerNs() {
    return this.failure?.slowerNs
  }
  get spread() {
    return this.failure?.spread
  }
  get reason() {
    return this.failure?.reason
  }
  get phase() {
    return this.failure?.phase
  }
  get code() {
    return this.failure?.code
  }
  get icmpFrom() {
    return this.failure?.icmpFrom
  }
  get message() {
    return this.failure?.message
  }
}

/** Returns the details of a failure; undefined if there are none. */
function failureIn(known: Known): Failing | undefined {
  if (known.symptom === 'passes') return undefined
  const { loss, odd, dscp, slowerNs, spread, reason, phase, code, icmpFrom, message } = known
  const failing = { loss, odd, dscp, slowerNs, spread, reason, phase, code, icmpFrom, message }
  return Object.values(failing).some((detail) => detail !== undefined) ? failing : undefined
}

/** Returns a fact with other values. */
export function changedFact(fact: Fact, changes: Partial<Known>): Fact {
  return new Fact(fact, { ...knownOf(fact), ...changes })
}

/** Returns all but the aspect of a fact. */
export function knownOf({ from, to, target, symptom, sinceMs, trials, lastMs, medianNs, failure }: Fact): Known {
  return { from, to, target, symptom, sinceMs, trials, lastMs, medianNs, ...failure }
}

export interface Interval {
  readonly low: number
  readonly high: number
}

/** A DSCP that was sent, and what it was changed to. */
export interface Remark {
  readonly sent: number
  readonly seen: number
}

/** How many of how many packets are lost or odd, with the bounds of their proportion (95 % Wilson interval). */
export interface Share extends Interval {
  readonly lost: number
  readonly of: number
}

/** Lost packets by direction, of those sent, and of those that arrived at the other end; or odd ones, of those answered. */
export interface SharesByDirection {
  readonly forth: Share
  readonly back: Share
}

/** What is lost of an aspect: bounds of the proportion (95 % Wilson interval), and the directions, as far as its answers report them. */
export interface Loss extends Interval {
  readonly forth?: Share | undefined
  readonly back?: Share | undefined
}

/**
 * When the responder of a node last read a genuine UDP request from the pod of another. Without a key shared by the agents, who can send from
 * the address of that pod can make its requests seem to arrive: that takes a direction away, gives a loss on both ways the other one, or makes it look like a loss of answers.
 */
export interface Arrival {
  readonly at: string
  readonly from: string
  readonly family: string
  /** Wall clocks of the arrival, and of when its agent reported it. */
  readonly lastMs: number
  readonly asOfMs: number
}

/** What is known of a node beside its links. */
export interface NodeEvidence {
  readonly name: string
  readonly zone?: string | undefined
  /** Whether its agent's row is at hand. */
  readonly hasRow: boolean
  /** Whether its agent was too late to be believed. */
  readonly isStarved: boolean
  /** Whether its pod network is likely to be an overlay, by the MTU of the pod's interface; absent if that is not known. */
  readonly isOverlay?: boolean | undefined
  /** Abnormal node conditions, such as `Ready=False (NodeStatusUnknown)`. */
  readonly problems: readonly string[]
}

export interface Evidence {
  /** Wall clock of the reader. */
  readonly atMs: number
  readonly nodes: readonly NodeEvidence[]
  readonly facts: readonly Fact[]
  /** What arrives from node to node; of what is absent, nothing is known. */
  readonly arrivals?: readonly Arrival[]
  /** What agents have collected to prove findings. */
  readonly collected?: readonly Collected[]
}

/** Facts that began within this time of each other are regarded as one event. */
export const oneEventMs = 60_000

/** Returns what an aspect is, without the rest of a fact. */
export function aspectOf({ check, protocol, bytes, path, vantage, family, direction, socket, server }: Aspect): Aspect {
  return { check, protocol, bytes, path, vantage, family, direction, socket, server }
}

/** Returns the id of an aspect, for use as a map key. */
export function aspectIdOf(aspect: Aspect): string {
  return JSON.stringify(Object.values(aspectOf(aspect)))
}

/** Returns the id of the link that a fact is about, for use as a map key. */
export function factLinkIdOf({ from, to }: Pick<Fact, 'from' | 'to'>): string {
  return `${from} -> ${endIdOf(to)}`
}

export function endIdOf({ kind, name }: End): string {
  return `${kind} ${name}`
}

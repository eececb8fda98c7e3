import type { Awaited } from './aspects.ts'
import type { Aspect, Fact, NodeEvidence, SharesByDirection, Symptom } from './evidence.ts'
import type { ProofName } from './proofs/index.ts'
import { type Collected, isProof } from './proofs/proof.ts'
import type { Direction, Scope, ScopeKind } from './scope.ts'

/*
 * A cause is a table: how each aspect of a link behaves if the cause holds there. Aspects that no line names behave as on a healthy link.
 * Scores, what was ruled out and the next check all derive from these tables.
 */

/** Which aspects a line of the table is about. */
export type Selector = (aspect: Aspect) => boolean

/** One line of a table: the selected aspects show one of these symptoms with this probability. */
export interface Line {
  readonly about: Selector
  readonly shows: readonly Symptom[]
  readonly probability: number
}

/** A form of a cause: `protocol-filtered` has one for each protocol and way of filtering. */
export interface Variant {
  /** Distinguishes it from other variants of its cause: `udp silent`. */
  readonly id: string
  readonly lines: readonly Line[]
  /** Whether it concerns all that travels over a link: a link on which some of that passes is not affected at all. */
  readonly isWhole?: boolean
  /** Where it is considered, if that is less than for its cause. */
  readonly scopes?: readonly ScopeKind[]
  /** Nats that it costs in addition to its cause's `rarity`. */
  readonly price?: number
  /** Directions that its facts leave open are those of the links; this one is certain. */
  readonly direction?: Direction
}

/** What a sentence about a finding may say. */
export interface Said {
  readonly scope: Scope
  readonly direction: Direction
  readonly variant: Variant
  /** Facts that the finding explains, and those that pass within its scope. */
  readonly failing: readonly Fact[]
  readonly passing: readonly Fact[]
  /** Packets lost from the first end of the scope to the other, and back; absent if that is not known. */
  readonly losses?: SharesByDirection | undefined
  /** What was collected about the links of those failures. */
  readonly collected: readonly Collected[]
  /** The scope as text. */
  readonly where: string
}

/** One cause: a table with its words. */
export interface Cause {
  readonly name: string
  readonly scopes: readonly ScopeKind[]
  /** Completes "either …, or …" where another cause remains possible: a clause without the place. */
  readonly because: string
  /** What it means, how it shows, the usual reasons on Kubernetes, and what to do: one paragraph or list each. */
  readonly means: string
  readonly shows: string
  readonly usually: readonly string[]
  readonly remedy: string
  /** Nats that it costs because it is rarer than others. */
  readonly rarity: number
  /** Evidence that no check yields yet, without which it is never found. */
  readonly waitsFor?: Awaited
  /** What agents collect when it is named, or remains possible: evidence that proves it, or decides between it and others. */
  readonly proofs?: readonly ProofName[]
  /** `informational` findings harm nobody. */
  readonly severity: 'critical' | 'warning' | 'informational'
  /** Forms worth considering, given the failing facts at hand. */
  variants(failing: readonly Fact[]): readonly Variant[]
  /** Whether nothing arrives on either way if it holds. */
  readonly isOfBothWays?: true
  /** Nats by which what is known of the nodes at the place supports it. */
  support?(nodes: readonly NodeEvidence[]): number
  /** Whether something seen at the place excludes it. */
  isExcluded?(failing: readonly Fact[], passing: readonly Fact[]): boolean
  says(said: Said): string
  /** The command to type next. */
  next(said: Said): string
}

/** The selected aspects behave like this if the cause holds. */
export function surely(about: Selector, ...shows: readonly Symptom[]): Line {
  return { about, shows, probability: 0.995 }
}

/** They usually do. */
export function mostly(about: Selector, ...shows: readonly Symptom[]): Line {
  return { about, shows, probability: 0.85 }
}

const streams: ReadonlySet<string> = new Set(['tcp', 'syn', 'http'])

/** Flows that were open before the attempt. Filters and tables that concern new ones let them pass, so most causes say nothing of them. */
export function isOld({ socket }: Aspect): boolean {
  return socket !== undefined
}

/** Protocols that travel as TCP. */
export function isTcp(aspect: Aspect): boolean {
  return streams.has(aspect.protocol) && !isOld(aspect)
}

/** Half of them do by the time the others have: checks that run less often are noticed later. */
export function evenly(about: Selector, ...shows: readonly Symptom[]): Line {
  return { about, shows, probability: 0.5 }
}

export function isUdp(aspect: Aspect): boolean {
  return aspect.protocol === 'udp' && !isOld(aspect)
}

export function isIcmp({ protocol }: Aspect): boolean {
  return protocol === 'icmp'
}

export function isDns(aspect: Aspect): boolean {
  return aspect.protocol === 'dns' && !isOld(aspect)
}

/** Queries for A and AAAA that leave together from one socket. */
export function isDnsInParallel({ check }: Aspect): boolean {
  return check === 'dns-parallel'
}

export function isDnsOverTcp({ check }: Aspect): boolean {
  return check === 'dns-tcp'
}

/** Queries to one of the servers behind a name server's address. */
export function isDnsPod({ path }: Aspect): boolean {
  return path === 'dns-pod'
}

/** Single queries over UDP to the address of a name server. */
export function isDnsUsual(aspect: Aspect): boolean {
  return isDns(aspect) && !isDnsInParallel(aspect) && !isDnsOverTcp(aspect) && !isDnsPod(aspect)
}

const translated: ReadonlySet<string> = new Set(['dns-server', 'service', 'own-service', 'name'])

/** Attempts at an address that every node translates to that of a pod, or that need a lookup at one. */
export function isTranslated(aspect: Aspect): boolean {
  return translated.has(aspect.path) && !isOld(aspect)
}

/** Datagrams larger than any Ethernet packet without jumbo frames, so that the sender makes fragments. */
export function isFragmented({ protocol, bytes = 0 }: Aspect): boolean {
  return (protocol === 'udp' || protocol === 'icmp') && bytes > 1_500
}

/** Attempts whose packets fill the path's MTU. An HTTP body of this size needs several full segments. */
const largeBytes = 1_000

export function isLarge({ bytes = 0 }: Aspect): boolean {
  return bytes >= largeBytes
}

export function isSmall(aspect: Aspect): boolean {
  return !isLarge(aspect)
}

/** All checks of what travels. */
export const anything: Selector = (aspect) => !isOwn(aspect) && !isProof(aspect)

/** What a node reports about itself. */
export function isOwn({ protocol }: Aspect): boolean {
  return protocol === 'host'
}

/** Returns a selector of what all of these select. */
export function both(...selectors: readonly Selector[]): Selector {
  return (aspect) => selectors.every((selector) => selector(aspect))
}

/** Returns a selector of what any of these selects. */
export function either(...selectors: readonly Selector[]): Selector {
  return (aspect) => selectors.some((selector) => selector(aspect))
}

import type { Symptom } from './evidence.ts'
import type { Direction, Scope } from './scope.ts'

/** One cause at one place, at present. */
export interface Finding {
  readonly cause: string
  readonly scope: Scope
  readonly direction: Direction
  readonly severity: 'critical' | 'warning' | 'informational'
  /** Probability that this is the cause, given one of the known causes or none of them. */
  readonly confidence: number
  /** Wall clock at which the first of its failures began. */
  readonly sinceMs: number
  /** One sentence: what is wrong, where. */
  readonly summary: string
  /** What fails and what passes there, a clause each. */
  readonly evidence: readonly string[]
  /** What each aspect weighs, in nats. */
  readonly weights: readonly Weight[]
  readonly ruledOut: readonly RuledOut[]
  /** Causes that the evidence leaves possible, and the check that would separate them. */
  readonly rivals: readonly Rival[]
  /** The command to type next. */
  readonly next: string
}

export interface RuledOut {
  readonly cause: string
  readonly because: string
}

export interface Rival {
  readonly cause: string
  readonly confidence: number
  /** What would tell it from the named cause. */
  readonly separatedBy: string
}

/** Weight of one aspect for the named cause: how much likelier its symptom is with it than on a healthy link. */
export interface Weight {
  readonly aspect: string
  readonly symptom: Symptom
  readonly links: number
  /** Nats for each of the links. */
  readonly nats: number
}

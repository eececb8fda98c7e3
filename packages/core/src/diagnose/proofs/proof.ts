import type { AnyResult, Protocol } from '../../probes/index.ts'
import type { Aspect, Symptom } from '../evidence.ts'

/** Probes that are run once for an incident, because they prove its cause or decide between it and its rivals. */
export interface Proof {
  /** What its outcome is about, as the subject of a clause: `the largest packet`. Absent where it only shows the place of the fault. */
  readonly subject?: string
  /** Completes "agents …". */
  readonly summary: string
  /** How often all attempts are made, one round after another. */
  readonly rounds: number
  /** The attempts of one round, given the protocol of a check that fails. */
  attempts(protocol: string): readonly ProofAttempt[]
  /** Returns what the results of all rounds say. */
  read(results: readonly AnyResult[]): Reading
}

export interface ProofAttempt {
  readonly protocol: Protocol
  readonly options: Readonly<Record<string, unknown>>
  /** Targets the address of the responder without its port. */
  readonly isWithoutPort?: true
}

/** What the results of a proof say. */
export interface Reading {
  /** One clause for people. */
  readonly says: string
  /** How the aspect of the proof behaves; absent if the results do not decide that. */
  readonly shows?: Symptom
  /** Packets that this rests on. */
  readonly packets: number
  /** The same for programs. */
  readonly values: Readonly<Record<string, unknown>>
}

/** What an agent has collected about one of its links. */
export interface Collected {
  readonly from: string
  /** Node of the peer. */
  readonly to: string
  /** Name of the proof. */
  readonly proof: string
  readonly family?: string | undefined
  readonly says: string
  readonly shows?: Symptom | undefined
  readonly packets: number
  /** Wall clock. */
  readonly atMs: number
}

/** Path of the aspects that proofs are about: only tables that name them count them. */
const proofPath = 'proof'

export function isProof({ path }: Pick<Aspect, 'path'>): boolean {
  return path === proofPath
}

/** Returns the aspect that a proof is about; its check is no check of an agent. */
export function proofAspect(subject: string, family?: string): Aspect {
  return { check: subject, protocol: proofPath, path: proofPath, vantage: 'pod', family }
}

/** Returns the sum of the packets that these results count. */
export function packetsSent(results: readonly AnyResult[]): number {
  return results.reduce((sum, { packets }) => sum + (packets?.sent ?? 0), 0)
}

/** Returns the first failure of results that say nothing else. */
export function failureIn(results: readonly AnyResult[]): string {
  const failed = results.find((result) => !result.ok)
  return failed === undefined || failed.ok ? 'nothing was learned' : failed.failure.message
}

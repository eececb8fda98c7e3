import { z } from 'zod'
import type { Topology } from '../topology.ts'

/**
 * A fault is a pure function from a topology and parameters to changes; `injection.ts` applies and takes back changes
 * of every kind, in any order and combination. So a fault is a description, and adding one is one entry in a file.
 */
export interface Fault<S extends z.ZodObject = z.ZodObject> extends Words {
  readonly parameters: S
  readonly needs?: Needs
  changes(topology: Topology, parameters: z.output<S>, key: FaultKey): readonly Change[]
}

export interface Words {
  readonly name: string
  /** What is broken, in a few words. */
  readonly summary: string
  /** What clients see of it. */
  readonly signature: string
}

/** What a lab must have for the fault to make sense; `lab run` builds one that has it. */
export interface Needs {
  readonly network?: 'routed' | 'vxlan'
  readonly family?: 'ipv4' | 'ipv6'
  readonly zones?: number
  readonly dnsReplicas?: number
}

/** Identifies an injected fault: `number` counts up within a lab, `id` is `fault<number>`. */
export interface FaultKey {
  readonly id: string
  readonly number: number
}

export type Change =
  /** Rules in an nft table of the fault's own: taken back by deleting the table. Every `counter name hits` counts. */
  | { readonly kind: 'table'; readonly namespace: string; readonly table: Table }
  /** A setting that exists once: restored to its original value, or to that of the latest remaining fault. */
  | { readonly kind: 'setting'; readonly setting: Setting; readonly value: string }
  /** A shell script, and another that takes its effect back. */
  | { readonly kind: 'command'; readonly namespace?: string; readonly script: string; readonly undo?: string }
  /** A process that prints `ready` and acts until it is ended; one that reports answers each line of input with a line. */
  | {
      readonly kind: 'helper'
      readonly namespace: string
      readonly argv: readonly string[]
      readonly reports?: boolean
    }
  /** A shell script that prints a number which grows when the fault bites. */
  | { readonly kind: 'counter'; readonly namespace: string; readonly script: string }
  /** Processes of a namespace stopped for part of each period, as a cgroup's CPU quota does. */
  | { readonly kind: 'throttle'; readonly namespace: string; readonly stoppedMs: number; readonly runningMs: number }

export interface Table {
  readonly family: 'inet' | 'ip' | 'ip6' | 'bridge'
  readonly hooks: readonly Hook[]
  /** Sets the rules refer to, in nft's syntax. */
  readonly sets?: readonly string[]
  readonly rules: readonly string[]
  readonly pulse?: Pulse | undefined
}

/** When rules are in force: from the beginning for some time, and again after each pause; once if there is none. */
export interface Pulse {
  readonly onMs: number
  readonly offMs?: number
}

export interface Hook {
  readonly type?: 'filter' | 'nat'
  readonly hook: 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting'
  readonly priority: number
}

export interface Setting {
  /** Two settings of one name are the same thing. */
  readonly name: string
  /** Where it is; the lab's own namespace for files. */
  readonly namespace?: string
  /** A shell script that prints the value. */
  readonly read: string
  write(value: string): string
}

/** Keeps the parameters' types tied to their schema. */
export function defineFault<S extends z.ZodObject>(fault: Fault<S>): Fault<S> {
  return fault
}

export const selector = (fallback: string) =>
  z.coerce.string().default(fallback).describe('nodes: a number, a list such as 1,3, a zone such as zone-a, or any')
const direction = z.enum(['forward', 'backward', 'both'])

/** Parameters of a fault between nodes. */
export const between = (fallback: 'forward' | 'backward' | 'both') => ({
  from: selector('1'),
  to: selector('2'),
  direction: direction.default(fallback).describe('packets concerned: forward is from the first to the second'),
})
export const vantage = (fallback: 'pod' | 'host' | 'both') =>
  z.enum(['pod', 'host', 'both']).default(fallback).describe('whose packets: of pods, of the nodes themselves')
export const port = (fallback: number) =>
  z.coerce.number().int().min(0).max(65535).default(fallback).describe('destination port, 0 for every port')
export const percentage = (fallback: number) =>
  z.coerce.number().min(0.01).max(100).default(fallback).describe('percent of the packets')
export const bytes = (fallback: number, description: string) =>
  z.coerce.number().int().min(1).default(fallback).describe(description)
export const milliseconds = (fallback: number, description: string) =>
  z.coerce.number().min(0).default(fallback).describe(description)
export const nodeNumber = (fallback: number, description: string) =>
  z.coerce.number().int().min(1).default(fallback).describe(description)

import type { z } from 'zod'
import { ScoutError } from '../model/errors.ts'
import { hintFor } from '../model/nearest.ts'
import { dns } from './dns.ts'
import { http } from './http.ts'
import { icmp } from './icmp.ts'
import { mtu } from './mtu.ts'
import type { CommonOptions } from './options.ts'
import type { Probe } from './probe.ts'
import type { Result } from './result.ts'
import { syn } from './syn.ts'
import { tcp } from './tcp.ts'
import { trace } from './trace.ts'
import { udp } from './udp.ts'

/** All probes by protocol. To add one, create a file in this folder and add a line here. */
export const probes = { http, tcp, syn, udp, icmp, dns, mtu, trace } as const

export type Protocol = keyof typeof probes

type ProbeOf<Name extends Protocol> = (typeof probes)[Name]

/** Options as a caller writes them; all are optional. */
export type OptionsOf<Name extends Protocol> = Named<ProbeOf<Name>['options']> & Partial<CommonOptions>

/** Picks only the schema's own keys. The input of a schema without options has an index signature that forbids all other keys. */
type Named<Options extends z.ZodObject> = Pick<z.input<Options>, keyof Options['shape'] & keyof z.input<Options>>

export type ResultOf<Name extends Protocol> = {
  [Each in Name]: ProbeOf<Each> extends Probe<Each, infer Phase, infer _Form, infer _Options, infer Detail>
    ? Result<Each, Phase, Detail>
    : never
}[Name]

/** Result of any probe, discriminated by `protocol`. */
export type AnyResult = ResultOf<Protocol>

export function isProtocol(name: string): name is Protocol {
  return Object.hasOwn(probes, name)
}

export function isResultOf<Name extends Protocol>(protocol: Name, result: Result): result is ResultOf<Name> {
  return result.protocol === protocol
}

/**
 * Returns the probe of this name.
 * @throws {ScoutError} `unknown-probe`, with the nearest name
 */
export function probeNamed(name: string): Probe<Protocol> {
  if (isProtocol(name)) return probes[name]
  throw new ScoutError('unknown-probe', `there is no probe "${name}": ${hintFor(name, Object.keys(probes))}`)
}

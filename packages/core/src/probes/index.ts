import type { z } from 'zod'
import type { CommonOptions } from '../options.ts'
import type { Probe, Result } from '../probe.ts'
import { dns } from './dns.ts'
import { http } from './http.ts'
import { icmp } from './icmp.ts'
import { tcp } from './tcp.ts'
import { udp } from './udp.ts'

/** Every probe, by its protocol. A new one is a file beside this one and a line here. */
export const probes = { http, tcp, udp, icmp, dns } as const

export type Protocol = keyof typeof probes

type ProbeOf<Name extends Protocol> = (typeof probes)[Name]

/** Options as a caller writes them: all may be left out. */
export type OptionsOf<Name extends Protocol> = z.input<ProbeOf<Name>['options']> & Partial<CommonOptions>

export type ResultOf<Name extends Protocol> = {
  [Each in Name]: ProbeOf<Each> extends Probe<Each, infer Phase, infer _Form, infer _Options, infer Detail>
    ? Result<Each, Phase, Detail>
    : never
}[Name]

/** A result of any probe; `protocol` tells which. */
export type AnyResult = ResultOf<Protocol>

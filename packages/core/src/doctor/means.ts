import { FailureError } from '../model/failure.ts'
import { nativePart } from '../net/native/native.ts'
import { type Provider, providerOf, type Transport } from '../net/packets/providers.ts'
import { handshakeClocks } from '../net/tcp/tcp-info.ts'
import { probes } from '../probes/index.ts'
import type { Need, Probe } from '../probes/probe.ts'
import type { Failure } from '../probes/result.ts'
import type { Clocks } from '../time/clock.ts'
import { userClocks } from '../time/clock.ts'
import { type Ability, describeAbilities } from './abilities.ts'

/** Socket and clocks that a probe will use in this process. */
export interface ProbeMeans {
  readonly protocol: string
  /** `kernel-tcp` is an ordinary TCP connection, which needs no packet socket. */
  readonly provider: Provider['name'] | 'kernel-tcp'
  readonly means: string
  /** Absent if the probe cannot run. */
  readonly clocks?: Clocks
  /** Why it cannot run, and what to change. */
  readonly obstacle?: Pick<Failure, 'reason' | 'message'>
  /** Why it cannot use better clocks, and what to change. */
  readonly remark?: string
}

/** Abilities of a process, and the means of each probe. */
export interface ProcessMeans {
  readonly abilities: readonly Ability[]
  readonly probes: readonly ProbeMeans[]
}

/** Finds out by trial what this process may do and what each probe will use. Sends nothing. */
export function describeMeans(): ProcessMeans {
  const all: readonly Pick<Probe, 'protocol' | 'needs'>[] = Object.values(probes)
  return {
    abilities: describeAbilities(),
    probes: all.map(({ protocol, needs }) => ({ protocol, ...meansOf(needs) })),
  }
}

function meansOf(need: Need): Omit<ProbeMeans, 'protocol'> {
  switch (need) {
    case 'sizes':
      return meansOfSizes()
    case 'handshake':
      return meansOfHandshake()
    case 'connection':
      return meansOfConnection()
    default:
      return meansOfPackets(need)
  }
}

function meansOfPackets(transport: Transport): Omit<ProbeMeans, 'protocol'> {
  const { name, open, remark } = providerOf(transport)
  try {
    const socket = open('ipv4', { arrived() {}, failed() {}, overflowed() {} })
    socket.close()
    const { kind, clocks } = socket
    return { provider: name, means: `${kind} socket`, clocks, ...(remark === undefined ? {} : { remark }) }
  } catch (error) {
    if (!(error instanceof FailureError)) throw error
    const { reason, message } = error
    return { provider: name, means: reason.replace('-', ' '), obstacle: { reason, message } }
  }
}

function meansOfSizes(): Omit<ProbeMeans, 'protocol'> {
  const part = nativePart()
  if (!part.isPresent) {
    const obstacle = { reason: 'not-supported', message: part.reason } as const
    return { provider: 'none', means: 'not supported', obstacle }
  }
  const { obstacle, ...icmp } = meansOfPackets('icmp')
  return obstacle === undefined ? icmp : { ...meansOfPackets('udp'), remark: `only UDP: ${obstacle.message}` }
}

function meansOfHandshake(): Omit<ProbeMeans, 'protocol'> {
  const part = nativePart()
  const common = { provider: 'kernel-tcp', means: 'connection' } as const
  if (part.isPresent) return { ...common, clocks: handshakeClocks }
  return { ...common, clocks: userClocks, remark: `${part.reason}; times include event loop delays` }
}

function meansOfConnection(): Omit<ProbeMeans, 'protocol'> {
  return { remark: 'with https, the phases after connect include event loop delays', ...meansOfHandshake() }
}

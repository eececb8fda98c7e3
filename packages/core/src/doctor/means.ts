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

/** What a probe will send and time with in this process. */
export interface ProbeMeans {
  readonly protocol: string
  /** `kernel-tcp`: connections of the kernel's own, which need nothing else. */
  readonly provider: Provider['name'] | 'kernel-tcp'
  readonly means: string
  /** Absent where the probe cannot run. */
  readonly clocks?: Clocks
  /** Why it cannot run, and what to change. */
  readonly obstacle?: Pick<Failure, 'reason' | 'message'>
  /** What keeps it from better clocks, and what to change. */
  readonly remark?: string
}

/** What a process can probe with. */
export interface ProcessMeans {
  readonly abilities: readonly Ability[]
  readonly probes: readonly ProbeMeans[]
}

/** Finds out, by trying, what this process may do and what each probe will work with. Sends nothing. */
export function describeMeans(): ProcessMeans {
  const all: readonly Pick<Probe, 'protocol' | 'needs'>[] = Object.values(probes)
  return {
    abilities: describeAbilities(),
    probes: all.map(({ protocol, needs }) => ({ protocol, ...meansOf(needs) })),
  }
}

function meansOf(need: Need): Omit<ProbeMeans, 'protocol'> {
  switch (need) {
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

function meansOfHandshake(): Omit<ProbeMeans, 'protocol'> {
  const part = nativePart()
  const common = { provider: 'kernel-tcp', means: 'connection' } as const
  if (part.isPresent) return { ...common, clocks: handshakeClocks }
  return { ...common, clocks: userClocks, remark: `${part.reason}; times include the wait for the event loop` }
}

/** Phases behind the handshake are stamped by this process, and a result is as exact as its least exact phase. */
function meansOfConnection(): Omit<ProbeMeans, 'protocol'> {
  const {
    remark = 'tcp-info for connect; later phases include the wait for the event loop, unless --observe takes them from packets',
    ...means
  } = meansOfHandshake()
  return { ...means, clocks: userClocks, remark }
}

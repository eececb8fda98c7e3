import type { Endpoint } from '../model/endpoint.ts'
import { FailureError, failureErrorOf } from '../model/failure.ts'
import { answerOf, countedOf } from '../net/packets/fate.ts'
import type { Asked, Asker, Question } from '../net/packets/question.ts'
import type { Sockets } from '../net/sockets.ts'
import type { Probe } from '../probes/probe.ts'
import type { Result } from '../probes/result.ts'
import { nowNs, userClocks } from '../time/clock.ts'
import { timedOutAfter } from '../time/deadline.ts'
import { endpointOf, failureOf, type Request } from './run.ts'

/** An attempt that the native packet engine makes on its own: one packet to an address. */
export interface PacketAttempt {
  readonly probe: Probe & Required<Pick<Probe, 'packet'>>
  readonly request: Request
  readonly endpoint: Endpoint
  readonly question: Question
  readonly asker: Required<Asker>
}

/** Returns the attempt as one of the packet engine; undefined if it needs this thread, or cannot be made at all. */
export function packetAttemptOf(probe: Probe, request: Request, sockets: Sockets): PacketAttempt | undefined {
  const { packet } = probe
  const endpoint = endpointOf(request)
  // The interface of a zone may be replaced at any time, so each attempt looks it up.
  if (packet === undefined || endpoint === undefined || endpoint.address.includes('%')) return undefined
  const question = packet.question(endpoint, request.options)
  if (question === undefined) return undefined
  const { begin, ...asker } = sockets.asker(question)
  if (begin === undefined) return undefined
  try {
    asker.flows(question)
  } catch (error) {
    if (error instanceof FailureError) return undefined
    throw error
  }
  return { probe: { ...probe, packet }, request, endpoint, question, asker: { ...asker, begin } }
}

/** Starts the attempt. `reason` of a cancellation becomes its failure. */
export function startPacket(attempt: PacketAttempt): {
  readonly result: Promise<Result>
  cancel(reason: FailureError): void
} {
  const { question, asker, request } = attempt
  const startedNs = nowNs()
  const startedAtMs = Date.now()
  let end: (result: Result) => void = () => {}
  const result = new Promise<Result>((resolve) => {
    end = resolve
  })
  const stop = asker.begin(question, { timeoutMs: request.options.timeoutMs }, (asked) =>
    end(packetResultOf(attempt, asked)),
  )
  return {
    result,
    cancel(reason) {
      stop()
      const fate = { kind: 'silent', mayBeOurs: false } as const
      end(packetResultOf(attempt, { fate, startedNs, startedAtMs, endedNs: nowNs() }, reason))
    },
  }
}

/** Returns the result of an attempt by the fate of its packet. A silent one failed for `reason` (default: timeout). */
export function packetResultOf(
  { probe, request, endpoint }: PacketAttempt,
  { fate, startedAtMs, startedNs, endedNs, condensed }: Asked,
  reason?: FailureError,
): Result {
  const { protocol, packet } = probe
  const { target, options } = request
  const timedOut = () => timedOutAfter(options.timeoutMs)
  const over = { reason: fate.kind === 'silent' ? (reason ?? timedOut()) : undefined, timedOut }
  // Written out without spreads, because an agent makes thousands of these a second.
  const measured = (isOk: boolean) => {
    const tookNs = fate.kind === 'answered' ? fate.tookNs : undefined
    const phasesNs: Record<string, number> = {}
    if (tookNs !== undefined) phasesNs[packet.phase] = tookNs
    return {
      protocol,
      target: target.text,
      endpoint,
      startedAtMs,
      phasesNs,
      totalNs: isOk && tookNs !== undefined ? tookNs : endedNs - startedNs,
      clock: fate.kind === 'answered' ? fate.clocks : userClocks,
      packets: countedOf(fate, { attempts: condensed?.attempts }),
    }
  }
  try {
    const detail = packet.detail(answerOf(fate, endpoint, over), target, options)
    const success = Object.assign(measured(true), { ok: true as const, detail })
    return condensed === undefined ? success : Object.assign(success, { condensed })
  } catch (error) {
    const failure = failureOf(failureErrorOf(error, `${protocol} probe of ${target.text}`), packet.phase)
    return Object.assign(measured(false), { ok: false as const, failure })
  }
}

import type { FailureReason } from '../model/failure.ts'
import type { Symptom } from './evidence.ts'

/** Returns the symptom of a failure; undefined if it is no evidence about the link. */
export function symptomOf(failure: {
  readonly reason: FailureReason
  readonly code?: string | undefined
  readonly icmp?: { readonly from: string } | undefined
}): Symptom | undefined {
  if (failure.reason === 'prohibited' && failure.icmp === undefined && deniedHere.has(failure.code))
    return 'denied-here'
  if (failure.reason === 'local-error' && failure.code === noPort) return 'exhausted'
  return symptomByReason[failure.reason]
}

/** Returns whether packets arrive, but late: all by about the same, or each by another time. */
export function isLate({ symptom }: { readonly symptom: Symptom }): boolean {
  return symptom === 'slow' || symptom === 'jittery'
}

/** Symptoms by reason. Reasons that are no evidence about a link are absent. */
const symptomByReason: Readonly<Partial<Record<FailureReason, Symptom>>> = {
  timeout: 'silent',
  'black-hole': 'silent',
  'flow-dropped': 'forgotten',
  refused: 'refused',
  reset: 'reset',
  unreachable: 'unreachable',
  expired: 'unreachable',
  prohibited: 'prohibited',
  'bad-reply': 'wrong',
  'bad-status': 'wrong',
  tls: 'wrong',
  'too-big': 'too-big',
}

/** Codes with which the kernel rejects a packet before it leaves. */
const deniedHere: ReadonlySet<string | undefined> = new Set(['EPERM', 'EACCES'])
/** Code of a host without a free port for the destination. */
const noPort = 'EADDRNOTAVAIL'

import type { Family } from '../../model/endpoint.ts'
import { FailureError, failureErrorOf } from '../../model/failure.ts'
import { inNamespace } from '../host/namespace.ts'
import { nativePart } from '../native/native.ts'

export interface StreamKind {
  readonly family: Family
  /** Largest segment that either side sends (default: what the interface and the route allow). */
  readonly mostSegmentBytes?: number | undefined
  /** Whether closing it resets the connection, so that neither side retransmits any longer (default: no). */
  readonly isAbrupt?: boolean | undefined
}

/** Opens an unconnected TCP socket, possibly in another network namespace, and returns its descriptor. Needs the native part. */
export function openStream(namespace: string | undefined, { family, mostSegmentBytes, isAbrupt }: StreamKind): number {
  const part = nativePart()
  if (!part.isPresent) throw new FailureError('not-supported', part.reason)
  const { native } = part
  if (namespace === undefined) return native.openStreamSocket(family, mostSegmentBytes, isAbrupt)
  try {
    return inNamespace(namespace, () => native.openStreamSocket(family, mostSegmentBytes, isAbrupt))
  } catch (error) {
    throw failureErrorOf(error, `opening a TCP socket in ${namespace}`)
  }
}

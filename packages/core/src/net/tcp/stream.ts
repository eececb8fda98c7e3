import type { Family } from '../../model/endpoint.ts'
import { FailureError, failureErrorOf } from '../../model/failure.ts'
import { inNamespace } from '../host/namespace.ts'
import { nativePart } from '../native/native.ts'

/** Opens an unconnected TCP socket, possibly in another network namespace, and returns its descriptor. Needs the native part. */
export function openStream(namespace: string | undefined, family: Family): number {
  const part = nativePart()
  if (!part.isPresent) throw new FailureError('not-supported', part.reason)
  const { native } = part
  if (namespace === undefined) return native.openStreamSocket(family)
  try {
    return inNamespace(namespace, () => native.openStreamSocket(family))
  } catch (error) {
    throw failureErrorOf(error, `opening a TCP socket in ${namespace}`)
  }
}

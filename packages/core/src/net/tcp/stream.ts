import { Socket, type SocketConstructorOpts } from 'node:net'
import type { Family } from '../../model/endpoint.ts'
import { FailureError, failureErrorOf } from '../../model/failure.ts'
import { inNamespace } from '../host/namespace.ts'
import { nativePart } from '../native/native.ts'

/** Opens a TCP socket in another network namespace and returns its descriptor. */
export function openStream(namespace: string, family: Family): number {
  const part = nativePart()
  if (!part.isPresent) throw new FailureError('not-supported', part.reason)
  const { native } = part
  try {
    return inNamespace(namespace, () => native.openStreamSocket(family))
  } catch (error) {
    throw failureErrorOf(error, `opening a TCP socket in ${namespace}`)
  }
}

/** Connects an open socket by its descriptor. */
export function connectFrom(fd: number, to: { readonly host: string; readonly port: number }): Socket {
  // Node starts reading from an existing descriptor at once; manualStart delays that until it is connected (lib/net.js).
  const options: SocketConstructorOpts & { readonly manualStart: boolean } = { fd, manualStart: true }
  return new Socket(options).connect(to)
}

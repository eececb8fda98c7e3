import { openSync } from 'node:fs'
import { FailureError, isSystemError } from '../../model/failure.ts'
import { type Native, nativePart } from '../native/native.ts'

/** Descriptor of this thread's original namespace; opened once and kept. */
let home: number | undefined

/**
 * Opens sockets in the network namespace of a file such as `/proc/1/ns/net`. The sockets stay there; this thread returns to its own
 * namespace before the call returns (setns(2)). `open` must be synchronous.
 * @throws {FailureError} not-permitted, not-supported, or local-error if there is no such namespace; and anything `open` throws
 */
export function inNamespace<T>(path: string, open: () => T): T {
  const part = nativePart()
  if (!part.isPresent) throw new FailureError('not-supported', `cannot enter ${path}: ${part.reason}`)
  home ??= openSync('/proc/thread-self/ns/net', 'r')
  const back = `/proc/self/fd/${home}`
  // Changes nothing, but shows that the way back is permitted: in a rootless user namespace it may not be.
  enter(part.native, back)
  enter(part.native, path)
  try {
    return open()
  } finally {
    part.native.enterNetworkNamespace(back)
  }
}

function enter(native: Native, path: string): void {
  try {
    native.enterNetworkNamespace(path)
  } catch (error) {
    if (!isSystemError(error)) throw error
    const isDenied = error.code === 'EPERM' || error.code === 'EACCES'
    const remedy = isDenied ? namespaceRemedy : error.code
    throw new FailureError(
      isDenied ? 'not-permitted' : 'local-error',
      `cannot enter the network namespace ${path}: ${remedy}`,
      {
        cause: error,
        code: error.code,
      },
    )
  }
}

/** Explains how to let a process enter other network namespaces. */
export const namespaceRemedy =
  'this process lacks CAP_SYS_ADMIN (in a pod: securityContext.capabilities.add: ["SYS_ADMIN"]; on a host: run as root)'

import type { Family } from '../../model/endpoint.ts'
import { FailureError, failureErrorOf } from '../../model/failure.ts'
import { nativePart } from '../native/native.ts'

/** Returns the address this host would send from. Throws `FailureError` if it has no route to the destination. */
export function sourceAddressOf(family: Family, destination: string): string {
  const part = nativePart()
  if (!part.isPresent) throw new FailureError('not-supported', part.reason)
  try {
    return part.native.sourceAddress(family, destination)
  } catch (error) {
    throw failureErrorOf(error, `looking up the route to ${destination}`)
  }
}

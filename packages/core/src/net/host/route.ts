import type { Family } from '../../model/endpoint.ts'
import { FailureError, failureErrorOf } from '../../model/failure.ts'
import { nativePart } from '../native/native.ts'

/** The address this host would send from; rejects destinations it has no route to with a `FailureError`. */
export function sourceAddressOf(family: Family, destination: string): string {
  const part = nativePart()
  if (!part.isPresent) throw new FailureError('not-supported', part.reason)
  try {
    return part.native.sourceAddress(family, destination)
  } catch (error) {
    throw failureErrorOf(error, `finding the way to ${destination}`)
  }
}

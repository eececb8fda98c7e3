import { type Failure, printable } from '@scout/core'
import { formatMilliseconds } from './words.ts'

interface FailureStyle {
  readonly tookNs?: number
  readonly paint?: (text: string) => string
}

/** `refused in connect after 0.301 ms: …` */
export function failureText(
  { reason, phase, message }: Failure,
  { tookNs, paint = String }: FailureStyle = {},
): string {
  const where = phase === 'setup' ? '' : ` in ${phase}`
  // A timeout is a bound, not a measurement of the path.
  const isTimed = tookNs !== undefined && phase !== 'setup' && reason !== 'timeout'
  const when = isTimed ? ` after ${formatMilliseconds(tookNs)}` : ''
  return `${paint(reason)}${where}${when}: ${printable(message)}`
}

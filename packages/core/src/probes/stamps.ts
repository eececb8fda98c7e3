import type { Reflected } from '../net/packets/question.ts'
import type { StampClock, StampMethod } from '../wire/stamp-question.ts'

/**
 * Where the timestamps of a reflector come from, and what they show of its host. Of a Scout responder `software` is its kernel, and
 * `control-plane` its process.
 */
export interface Stamps {
  /** What takes the time at which a packet arrives at the reflector, and what the clock follows. */
  readonly arrivalStamp?: StampMethod
  readonly arrivalClock?: StampClock
  /** The same of the time at which an answer leaves. */
  readonly departureStamp?: StampMethod
  readonly departureClock?: StampClock
  /** Time for which the reflector's host held the previous packet of the series; absent if it cannot be known. */
  readonly previousResidenceNs?: number
  /** What took the time at which that ends. */
  readonly previousDepartureStamp?: StampMethod
  /** Sentence about what the reflector does not say; absent if it says all that it is asked. */
  readonly stampsUnknown?: string
}

export function stampsOf(reflector: string, { stamps, previous }: Pick<Reflected, 'stamps' | 'previous'> = {}): Stamps {
  const unknown = [
    ...(stamps === undefined
      ? ['how it stamps packets: it does not fill in the Timestamp Information TLV (RFC 8972 §4.3)']
      : []),
    ...(previous === undefined
      ? ['when its previous answer left: it does not fill in the Follow-Up Telemetry TLV (RFC 8972 §4.7)']
      : []),
  ].map((what) => `${reflector} does not say ${what}`)
  return {
    ...(stamps === undefined
      ? {}
      : {
          arrivalStamp: stamps.arrival.by,
          arrivalClock: stamps.arrival.clock,
          departureStamp: stamps.departure.by,
          departureClock: stamps.departure.clock,
        }),
    ...(previous?.residenceNs === undefined
      ? {}
      : { previousResidenceNs: previous.residenceNs, previousDepartureStamp: previous.sentBy }),
    ...(unknown.length === 0 ? {} : { stampsUnknown: unknown.join('; ') }),
  }
}

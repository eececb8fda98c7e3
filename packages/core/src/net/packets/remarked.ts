import type { ReflectedClass } from '../../wire/stamp-question.ts'

/** What an answer shows of the DSCP. */
export interface SeenDscp {
  /** TOS or traffic class of the answer, as it arrived. */
  readonly trafficClass: number | undefined
  /** What its reflector says; undefined if it does not. */
  readonly service: ReflectedClass | undefined
}

/** Returns on which way the DSCP of a request changed. Without the reflector neither is known, and without its use of the DSCP not the way back. */
export function remarkedOf(
  sent: number,
  { trafficClass, service }: SeenDscp,
): { readonly forth?: boolean; readonly back?: boolean } {
  if (service === undefined) return {}
  const forth = service.arrived !== sent
  return service.isUsed && trafficClass !== undefined ? { forth, back: trafficClass >>> 2 !== sent } : { forth }
}

import type { ReflectedClass } from '../wire/stamp-question.ts'

/** DSCP of a request on its way, 0 to 63. */
export interface Marks {
  readonly dscpSent: number
  /** As the request arrived at the reflector; absent if that does not say. */
  readonly dscpArrived?: number
  /** As the answer arrived. The reflector is asked to send it with the DSCP of the request. */
  readonly dscpReturned?: number
  /** Sentence about what changed and in which direction, or cannot be known; absent if nothing changed. */
  readonly dscpChange?: string
}

/** What an answer shows of the DSCP. */
interface Seen {
  readonly target: { readonly text: string }
  /** Of the answer, as it arrived. */
  readonly trafficClass: number | undefined
  readonly service: ReflectedClass | undefined
}

export function marksOf(sent: number, { target, trafficClass, service }: Seen): Marks {
  const returned = trafficClass === undefined ? undefined : trafficClass >>> 2
  const change = changesOf({ sent, returned, service, reflector: target.text }).join('; ')
  return {
    dscpSent: sent,
    ...(service === undefined ? {} : { dscpArrived: service.arrived }),
    ...(returned === undefined ? {} : { dscpReturned: returned }),
    ...(change === '' ? {} : { dscpChange: change }),
  }
}

function changesOf({
  sent,
  returned,
  service,
  reflector,
}: {
  readonly sent: number
  readonly returned: number | undefined
  readonly service: ReflectedClass | undefined
  readonly reflector: string
}): readonly string[] {
  // How the answer left is known only if the reflector says that it used the DSCP.
  if (service === undefined)
    return [
      `${reflector} does not say with which DSCP requests arrive, so where it changes is unknown: it does not fill in the Class of Service TLV (RFC 8972 §4.4)`,
    ]
  const { arrived, isUsed } = service
  return [
    ...(arrived === sent ? [] : [`the path to ${reflector} changes DSCP ${sent} to ${arrived}`]),
    ...(isUsed ? [] : [`${reflector} does not answer with DSCP ${sent}, so the path back is unknown`]),
    ...(isUsed && returned !== undefined && returned !== sent
      ? [`the path back from ${reflector} changes DSCP ${sent} to ${returned}`]
      : []),
  ]
}

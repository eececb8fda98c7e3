import { remarkedOf, type SeenDscp } from '../net/packets/remarked.ts'

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

export function marksOf(sent: number, seen: SeenDscp & { readonly target: { readonly text: string } }): Marks {
  const { trafficClass, service, target } = seen
  const returned = trafficClass === undefined ? undefined : trafficClass >>> 2
  const change = changesOf(sent, seen, target.text).join('; ')
  return {
    dscpSent: sent,
    ...(service === undefined ? {} : { dscpArrived: service.arrived }),
    ...(returned === undefined ? {} : { dscpReturned: returned }),
    ...(change === '' ? {} : { dscpChange: change }),
  }
}

function changesOf(sent: number, seen: SeenDscp, reflector: string): readonly string[] {
  const { trafficClass = 0, service } = seen
  // How the answer left is known only if the reflector says that it used the DSCP.
  if (service === undefined)
    return [
      `${reflector} does not say with which DSCP requests arrive, so where it changes is unknown: it does not fill in the Class of Service TLV (RFC 8972 §4.4)`,
    ]
  const { forth, back } = remarkedOf(sent, seen)
  return [
    ...(forth === true ? [`the path to ${reflector} changes DSCP ${sent} to ${service.arrived}`] : []),
    ...(service.isUsed ? [] : [`${reflector} does not answer with DSCP ${sent}, so the path back is unknown`]),
    ...(back === true ? [`the path back from ${reflector} changes DSCP ${sent} to ${trafficClass >>> 2}`] : []),
  ]
}

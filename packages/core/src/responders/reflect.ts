import { unixNowNs } from '../time/clock.ts'
import { decodeStampRequest, isGenuineStamp, type StampKey, stampBytes, turnIntoStampAnswer } from '../wire/stamp.ts'
import { timestampOf } from '../wire/stamp-time.ts'
import { clockSources, reflectTlvs, timestampMethods } from '../wire/stamp-tlv.ts'
import type { StampSessions } from './stamp-sessions.ts'

/** Where a request came from. */
interface Source {
  readonly address: string
  readonly port: number
}

/** Distance from UTC of a clock that nothing is known about: the bound of the kernel (NTP_PHASE_LIMIT in include/linux/timex.h). */
const unknownErrorNs = 16e9

/**
 * Returns a stateful Session-Reflector (RFC 8762 §4.3) that turns a genuine request into its answer in place, and returns whether it was
 * one. The process takes both timestamps, and sees neither TTL nor traffic class: native/responder.c does better.
 */
export function createReflector(key: StampKey, sessions: StampSessions): (bytes: Uint8Array, from: Source) => boolean {
  return (bytes, from) => {
    const receivedNs = unixNowNs()
    const request = decodeStampRequest(bytes, key)
    if (request === undefined || !isGenuineStamp(bytes, key)) return false
    const { format } = request.estimate
    const session = sessions.find({ ...from, ssid: request.ssid })
    const sequence = session.next
    session.next = (sequence + 1) >>> 0
    const { previous } = session
    reflectTlvs(
      bytes,
      { from: stampBytes(key), key },
      {
        clockSource: clockSources.free,
        receivedBy: timestampMethods.controlPlane,
        sentBy: timestampMethods.controlPlane,
        ...(previous === undefined ? {} : { previous: { ...previous, sentBy: timestampMethods.controlPlane } }),
      },
    )
    const sent = timestampOf(unixNowNs(), format)
    session.previous = { sequence, sent }
    const estimate = { format, isSynchronized: false, errorNs: unknownErrorNs }
    const received = timestampOf(receivedNs, format)
    turnIntoStampAnswer(bytes, { sequence, sent, estimate, received, senderTtl: 0 }, key)
    return true
  }
}

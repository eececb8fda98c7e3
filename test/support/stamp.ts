import { unixNowNs } from '../../packages/core/src/time/clock.ts'
import { decodeStampRequest, stampBytes, turnIntoStampAnswer } from '../../packages/core/src/wire/stamp.ts'
import { timestampOf } from '../../packages/core/src/wire/stamp-time.ts'
import { reflectTlvs } from '../../packages/core/src/wire/stamp-tlv.ts'

/** What a reflector that holds `key` answers this request with, of whichever key; `sequence` is the number of its answer. */
export function stampAnswerTo(request: Uint8Array, key = '', sequence = 0): Uint8Array {
  const bytes = Uint8Array.from(request)
  if (decodeStampRequest(bytes, key) === undefined) throw new Error(`${request.length} bytes are no STAMP request`)
  const now = timestampOf(unixNowNs(), 'ntp')
  const estimate = { format: 'ntp', isSynchronized: false, errorNs: 16e9 } as const
  reflectTlvs(bytes, { from: stampBytes(key), key }, { trafficClass: 0, clockSource: 5, receivedBy: 3, sentBy: 3 })
  turnIntoStampAnswer(bytes, { sequence, sent: now, received: now, estimate, senderTtl: 64 }, key)
  return bytes
}

import { endianness } from 'node:os'
import { canonicalAddress } from '../../model/address.ts'
import type { NativeLayout } from './native.ts'

/** When the last genuine request of a session was read, by the clock of `nowNs`, and the address it came from. */
export type LastArrival = readonly [address: string, atNs: number]

const isLittleEndian = endianness() === 'LE'

/** Reads the sessions that a responder keeps, by its index (native/sessions.h). */
export function arrivalsIn(view: DataView, layout: NativeLayout, responder: number): readonly LastArrival[] {
  const first = layout.sessions + responder * layout.sessionsBytes
  const arrivals: LastArrival[] = []
  for (let place = 0; place < layout.sessionCount; place++) {
    const row = first + place * layout.sessionBytes
    const id = view.getUint32(row + layout.sessionId, isLittleEndian)
    if (id === 0) continue
    const address = addressText(view, row + layout.sessionAddress)
    const atNs = view.getFloat64(row + layout.sessionUsedNs, isLittleEndian)
    // The engine may have given the place to another session while it was read.
    if (view.getUint32(row + layout.sessionId, isLittleEndian) === id) arrivals.push([address, atNs])
  }
  return arrivals
}

/** Returns the IPv6 address at an offset as text, in canonical form: one that is mapped as that of IPv4. */
function addressText(view: DataView, offset: number): string {
  const isMapped =
    view.getBigUint64(offset) === 0n && view.getUint16(offset + 8) === 0 && view.getUint16(offset + 10) === 0xffff
  if (isMapped) return [12, 13, 14, 15].map((at) => view.getUint8(offset + at)).join('.')
  const groups = Array.from({ length: 8 }, (_, group) => view.getUint16(offset + 2 * group).toString(16))
  return canonicalAddress(groups.join(':'))?.address ?? ''
}

import { canonicalAddress } from '../model/address.ts'
import type { LastArrival } from '../net/native/engine-sessions.ts'
import { nowNs } from '../time/clock.ts'
import type { Timestamp } from '../wire/stamp-time.ts'

/** A session of a STAMP reflector. */
export interface StampSession {
  /** Number of its next answer. */
  next: number
  previous?: { readonly sequence: number; readonly sent: Timestamp }
}

export interface StampSessions {
  /** Returns the session of a genuine request that was read just now. */
  find(key: SessionKey): StampSession
  /** Returns when the last request of each session was read. */
  arrivals(): readonly LastArrival[]
}

/** What a session is known by. */
interface SessionKey {
  readonly address: string
  readonly port: number
  readonly ssid: number
}

/** Limits on sessions; native/sessions.h has the same number. */
const mostSessions = 2_048
const longestSilenceNs = 900e9

/**
 * Keeps the sessions of a stateful reflector (RFC 8762 §4.3). A session may come from many ports; without an identifier (RFC 8972 §3) its
 * port stands for it. The session used least recently makes room.
 */
export function createStampSessions(clockNs = nowNs): StampSessions {
  const sessions = new Map<string, StampSession & { readonly address: string; usedNs: number }>()
  return {
    find({ address, port, ssid }) {
      const key = `${address} ${ssid === 0 ? `port ${port}` : ssid}`
      const known = sessions.get(key)
      const usedNs = clockNs()
      const isGoingOn = known !== undefined && usedNs - known.usedNs <= longestSilenceNs
      const session = isGoingOn ? known : { next: 0, address, usedNs }
      session.usedNs = usedNs
      // The one used last is the last of the map.
      sessions.delete(key)
      sessions.set(key, session)
      const [oldest] = sessions.keys()
      if (oldest !== undefined && sessions.size > mostSessions) sessions.delete(oldest)
      return session
    },
    arrivals: () =>
      [...sessions.values()].map(({ address, usedNs }) => [canonicalAddress(address)?.address ?? address, usedNs]),
  }
}

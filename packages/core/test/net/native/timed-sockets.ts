import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { type Native, type NativeSocketOptions, nativePart } from '../../../src/net/native/native.ts'
import {
  type NativeArrival,
  type NativeError,
  openTimedSocket,
  type TimedSocket,
} from '../../../src/net/native/timed-socket.ts'

/** `npm ci` builds the addon. On systems other than Linux its tests are skipped with a reason. */
const part = nativePart()
export const nativePresent = {
  isMet: part.isPresent,
  reason: part.isPresent ? 'needs the native part' : part.reason,
  isSpareableInCi: process.env['SCOUT_NATIVE'] === '0',
}

/** Path from which a program in a separate thread or process loads it. */
export const nativeFolder = process.env['SCOUT_NATIVE'] ?? fileURLToPath(new URL('../../../native', import.meta.url))

export function native(): Native {
  if (!part.isPresent) throw new Error(part.reason)
  return part.native
}

/** Opens a socket that records all events and closes with its test. */
export interface Recorder {
  readonly socket: TimedSocket
  readonly arrivals: NativeArrival[]
  readonly errors: NativeError[]
  overflowed: number
}

export function record(options: Partial<NativeSocketOptions> & Pick<NativeSocketOptions, 'kind'>): Recorder {
  const arrivals: NativeArrival[] = []
  const errors: NativeError[] = []
  const recorder = {
    arrivals,
    errors,
    overflowed: 0,
    socket: openTimedSocket(
      native(),
      { packetBytes: 65_536, bufferBytes: 4 << 20, ...options },
      {
        arrived: (arrival) => arrivals.push({ ...arrival, bytes: arrival.bytes.slice() }),
        failed: (error) => errors.push({ ...error, bytes: error.bytes.slice() }),
        overflowed(packets) {
          recorder.overflowed += packets
        },
      },
    ),
  }
  onTestFinished(() => recorder.socket.close())
  return recorder
}

/** Blocks the event loop. */
export function block(forMs: number): void {
  const untilMs = performance.now() + forMs
  while (performance.now() < untilMs);
}

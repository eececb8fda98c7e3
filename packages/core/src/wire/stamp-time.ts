import { readUint16, readUint32, writeUint16, writeUint32 } from './bytes.ts'

/*
 * Timestamps of STAMP and the estimate of their error (RFC 8762 §4.2.1, RFC 4656 §4.1.2). The Z bit of the estimate says which format the
 * timestamps of its packet have (RFC 8186 §2.1).
 */

/** NTP: seconds since 1900 and their fraction. PTP, truncated: seconds and nanoseconds, here since 1970 (RFC 8877 §4.2.1 and §4.3). */
export type TimestampFormat = 'ntp' | 'ptp'

/** A timestamp as it is in a packet, 32 bits each. */
export interface Timestamp {
  readonly seconds: number
  /** Parts of a second: 2^-32 (NTP), or nanoseconds (PTP). */
  readonly fraction: number
}

export interface ErrorEstimate {
  readonly format: TimestampFormat
  /** The clock follows UTC by an external source, so that `errorNs` is its distance from UTC. */
  readonly isSynchronized: boolean
  /** Rounded up to what 8 bits and a power of two can say. */
  readonly errorNs: number
}

export const timestampBytes = 8

const secondsFrom1900To1970 = 2_208_988_800
const nsPerSecond = 1_000_000_000n
const wrap = 2 ** 32

/** Returns the timestamp of a time in nanoseconds since 1970. */
export function timestampOf(unixNs: bigint, format: TimestampFormat): Timestamp {
  const seconds = Number(unixNs / nsPerSecond)
  const ns = unixNs % nsPerSecond
  if (format === 'ptp') return { seconds: seconds >>> 0, fraction: Number(ns) }
  return { seconds: (seconds + secondsFrom1900To1970) % wrap, fraction: Number((ns << 32n) / nsPerSecond) }
}

/** Returns the nanoseconds from one timestamp to another of the same format, across the wrap of its seconds. */
export function nsBetween(from: Timestamp, to: Timestamp, format: TimestampFormat): number {
  const parts = to.fraction - from.fraction
  return ((to.seconds - from.seconds) | 0) * 1e9 + (format === 'ptp' ? parts : Math.round((parts * 1e9) / wrap))
}

export function readTimestamp(bytes: Uint8Array, offset: number): Timestamp {
  return { seconds: readUint32(bytes, offset), fraction: readUint32(bytes, offset + 4) }
}

export function writeTimestamp(bytes: Uint8Array, offset: number, { seconds, fraction }: Timestamp): void {
  writeUint32(bytes, offset, seconds)
  writeUint32(bytes, offset + 4, fraction)
}

const bits = { isSynchronized: 0x8000, isPtp: 0x4000, scale: 8, mostScale: 63, mostMultiplier: 255 } as const

/** Returns the 16 bits of an estimate. The multiplier is never zero: such a timestamp counts as invalid (RFC 4656 §4.1.2). */
export function writeErrorEstimate(bytes: Uint8Array, offset: number, estimate: ErrorEstimate): void {
  let multiplier = Math.max(1, Math.ceil((estimate.errorNs * wrap) / 1e9))
  let scale = 0
  for (; multiplier > bits.mostMultiplier && scale < bits.mostScale; scale++) multiplier = Math.ceil(multiplier / 2)
  const flags = (estimate.isSynchronized ? bits.isSynchronized : 0) | (estimate.format === 'ptp' ? bits.isPtp : 0)
  writeUint16(bytes, offset, flags | (scale << bits.scale) | Math.min(multiplier, bits.mostMultiplier))
}

export function readErrorEstimate(bytes: Uint8Array, offset: number): ErrorEstimate {
  const value = readUint16(bytes, offset)
  const scale = (value >>> bits.scale) & bits.mostScale
  return {
    format: (value & bits.isPtp) === 0 ? 'ntp' : 'ptp',
    isSynchronized: (value & bits.isSynchronized) !== 0,
    errorNs: ((value & bits.mostMultiplier) * 2 ** scale * 1e9) / wrap,
  }
}

/** What may be timed; each is defined by what the wire shows of it. */
export const figures = [
  /** Request to its answer. */
  'round trip',
  /** SYN to the SYN-ACK or RST that answers it. */
  'connect',
  /** Last segment of the request to first segment of the response. */
  'first byte',
  /** First to last segment of the response. */
  'transfer',
  /** SYN to last segment of the response. */
  'total',
] as const

export type Figure = (typeof figures)[number]

/** What was seen of one probe, by a tool or on the wire. A figure that was not seen is absent. */
export interface Sample {
  /** The address probed. */
  readonly to: string
  readonly timesNs: Readonly<Partial<Record<Figure, number>>>
  /** When the request left, by any clock. */
  readonly sentNs?: number
  /** By the wall clock, in milliseconds since 1970: of a tool's sample when its patience ends, of the wire's when the answer came. */
  readonly limitMs?: number | undefined
}

/** Packet counts of one attempt, or of all attempts in a window. */
export interface Packets {
  readonly sent: number
  /** Requests that reached the other side; absent if the other side does not count them. */
  readonly arrived?: number
  /** Requests that were answered in time. */
  readonly returned: number
  /** Extra copies of answers. */
  readonly duplicated: number
  /** Answers that arrived after the answer to a later request. */
  readonly reordered: number
  /** Answers that arrived after the deadline. */
  readonly late: number
}

export function sumOfPackets(a: Packets, b: Packets): Packets {
  const arrived =
    a.arrived === undefined && b.arrived === undefined ? {} : { arrived: (a.arrived ?? 0) + (b.arrived ?? 0) }
  return {
    sent: a.sent + b.sent,
    ...arrived,
    returned: a.returned + b.returned,
    duplicated: a.duplicated + b.duplicated,
    reordered: a.reordered + b.reordered,
    late: a.late + b.late,
  }
}

/** Packet counts of one attempt, or of all attempts in a window. */
export interface Packets {
  readonly sent: number
  /**
   * Requests known to have reached the other side: those answered, and earlier ones of the session whose answers were lost, which a later
   * answer reports (RFC 8762 §4.2). Absent if the other side does not count them.
   */
  readonly arrived?: number
  /** Requests known not to have reached it, counted with a later answer, too. What is in neither has an unknown fate. */
  readonly lostForth?: number
  /** Requests that were answered in time. */
  readonly returned: number
  /** Extra copies of answers; of a session of STAMP, packets that arrived twice, counted with a later answer. */
  readonly duplicated: number
  /** Of these, requests that arrived twice: the others are answers. Absent if that cannot be known. */
  readonly duplicatedForth?: number
  /** Answered requests that arrived with another DSCP than they were sent with. Absent if they have none, or that cannot be known. */
  readonly remarkedForth?: number
  /** The same of answers, which are sent with the DSCP of their request. */
  readonly remarkedBack?: number
  /** Answers that arrived after the answer to a later request; of a volley of STAMP, packets that were overtaken on either way. */
  readonly reordered: number
  /** Of these, requests that arrived after a later one: the others are answers. Absent if that cannot be known. */
  readonly reorderedForth?: number
  /** Answers that arrived after the deadline. */
  readonly late: number
}

/** A sum of packet counts, which grows in place. */
export type PacketSum = { -readonly [Count in keyof Packets]: Packets[Count] }

/** Adds counts to a sum, and returns it. */
export function addPackets(sum: PacketSum, packets: Packets): PacketSum {
  sum.sent += packets.sent
  if (packets.arrived !== undefined) sum.arrived = (sum.arrived ?? 0) + packets.arrived
  if (packets.lostForth !== undefined) sum.lostForth = (sum.lostForth ?? 0) + packets.lostForth
  sum.returned += packets.returned
  sum.duplicated += packets.duplicated
  if (packets.duplicatedForth !== undefined) sum.duplicatedForth = (sum.duplicatedForth ?? 0) + packets.duplicatedForth
  if (packets.remarkedForth !== undefined) sum.remarkedForth = (sum.remarkedForth ?? 0) + packets.remarkedForth
  if (packets.remarkedBack !== undefined) sum.remarkedBack = (sum.remarkedBack ?? 0) + packets.remarkedBack
  sum.reordered += packets.reordered
  if (packets.reorderedForth !== undefined) sum.reorderedForth = (sum.reorderedForth ?? 0) + packets.reorderedForth
  sum.late += packets.late
  return sum
}

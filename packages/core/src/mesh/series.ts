import type { Path, Vantage } from '../checks/check.ts'
import type { Family } from '../model/endpoint.ts'

/** Identifies a series, by node names: a series outlives the pods it is measured between. */
export interface SeriesKey {
  readonly check: string
  readonly path: Path
  readonly vantage: Vantage
  /** Absent if the target is a name, which may resolve to either family. */
  readonly family?: Family | undefined
  /** Node it is measured from. */
  readonly from: string
  /** Node of the peer, or of the server of cluster DNS, that it is measured to; absent for a check that targets neither. */
  readonly to?: string | undefined
}

/** Key as read from a row. Newer agents may use paths and vantages that this version does not have. */
type Loose<Key extends SeriesKey> = Omit<Key, 'path' | 'vantage'> & Readonly<Record<'path' | 'vantage', string>>

/** Returns the ID of a series, for use as a map key. */
export function idOf({ check, path, vantage, family, from, to }: Loose<SeriesKey>): string {
  return JSON.stringify([check, path, vantage, family, from, to])
}

/** An ordered pair of nodes. Without `to` it stands for the checks of a node that do not target peers. */
export type LinkKey = Pick<SeriesKey, 'from' | 'to'>

/** Returns the ID of a link, for use as a map key. */
export function linkIdOf({ from, to }: LinkKey): string {
  return JSON.stringify([from, to])
}

import type { Path, Vantage } from '../checks/check.ts'
import type { Family } from '../model/endpoint.ts'

/** What tells one series from all others, by names of nodes: pods come and go within a series. */
export interface SeriesKey {
  readonly check: string
  readonly path: Path
  readonly vantage: Vantage
  /** Absent for a check of a name, which resolves to either. */
  readonly family?: Family | undefined
  /** Node it is made from. */
  readonly from: string
  /** Node it is about; absent for a check that is about no peer. */
  readonly to?: string | undefined
}

/** A key as a reader of rows has it, whose agents may know more paths and vantages. */
type Loose<Key extends SeriesKey> = Omit<Key, 'path' | 'vantage'> & Readonly<Record<'path' | 'vantage', string>>

/** Returns the one text that stands for a series, as a key of maps. */
export function idOf({ check, path, vantage, family, from, to }: Loose<SeriesKey>): string {
  return JSON.stringify([check, path, vantage, family, from, to])
}

/** An ordered pair of nodes; without `to` it stands for what a node checks that is about no peer. */
export type LinkKey = Pick<SeriesKey, 'from' | 'to'>

export function linkIdOf({ from, to }: LinkKey): string {
  return JSON.stringify([from, to])
}

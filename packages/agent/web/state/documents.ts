import type { LinkDocument } from '../../src/outputs/api/link-schema.ts'
import type {
  Cell,
  HistoryDocument,
  IncidentsDocument,
  LinksDocument,
  SelfDocument,
} from '../../src/outputs/api/schemas.ts'

/** Documents of the API and their parts, as their schemas define them. */
export type { Cell, HistoryDocument, IncidentsDocument, LinkDocument, LinksDocument, SelfDocument }

export type LinkReport = LinksDocument['links'][number]
export type OtherReport = LinksDocument['others'][number]
export type CheckReport = LinksDocument['checks'][number]
export type IncidentReport = IncidentsDocument['incidents'][number]
export type SeriesHistory = HistoryDocument['series'][number]
export type Slot = SeriesHistory['recent']['slots'][number]
export type Series = LinkDocument['series'][number]
export type Collected = LinkDocument['collected'][number]
export type Way = NonNullable<Collected['values']['ways']>[number]

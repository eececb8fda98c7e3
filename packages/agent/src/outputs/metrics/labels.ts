import type { Row, SeriesReport } from '@scout/core'

export const checkLabels = ['check', 'protocol', 'path', 'vantage', 'family'] as const
export const linkLabels = [...checkLabels, 'source_node', 'source_zone', 'target_node', 'target_zone'] as const

/** Values by name, in the order of output. A label without a value counts as empty. */
export type Labels = Readonly<Record<string, string | undefined>>

/** Returns the labels of the link of each series of a row, in the order of the series. */
export type LinksOf = (row: Row) => readonly Labels[]

/** Labels of one link, and what they were made from. */
interface Link {
  readonly series: Pick<SeriesReport, 'check' | 'protocol' | 'path' | 'vantage' | 'family' | 'from' | 'to' | 'toZone'>
  readonly fromZone: string | undefined
  readonly labels: Labels
}

/**
 * Returns a function that makes the labels of a link again only when they have changed since its last call, so that their text can be
 * remembered. They are most of an exposition, and a series keeps its labels and, as long as no other joins or leaves, its place in the row.
 */
export function createLinks(): LinksOf {
  let links: readonly Link[] = []
  return ({ self, series }) => {
    links = series.map((one, place) => {
      const known = links[place]
      return known !== undefined && isLabelled(known, one, self.zone) ? known : linkOf(one, self.zone)
    })
    return links.map(({ labels }) => labels)
  }
}

function isLabelled({ series, fromZone }: Link, other: Link['series'], otherZone: string | undefined): boolean {
  return (
    series.check === other.check &&
    series.to === other.to &&
    series.family === other.family &&
    series.path === other.path &&
    series.vantage === other.vantage &&
    series.protocol === other.protocol &&
    series.from === other.from &&
    series.toZone === other.toZone &&
    fromZone === otherZone
  )
}

function linkOf(
  { check, protocol, path, vantage, family, from, to, toZone }: Link['series'],
  fromZone: string | undefined,
): Link {
  const labels = {
    check,
    protocol,
    path,
    vantage,
    family,
    source_node: from,
    source_zone: fromZone,
    target_node: to,
    target_zone: toZone,
  } satisfies Record<(typeof linkLabels)[number], string | undefined>
  return { series: { check, protocol, path, vantage, family, from, to, toZone }, fromZone, labels }
}

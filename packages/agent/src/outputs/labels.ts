import type { Row, SeriesReport } from '@scout/core'

export const checkLabels = ['check', 'protocol', 'path', 'vantage', 'family'] as const
export const linkLabels = [...checkLabels, 'source_node', 'source_zone', 'target_node', 'target_zone'] as const

/** Returns the labels of each series of a row as text, in the order of the series. */
export type LinkTexts = (row: Row) => readonly string[]

type Values<Name extends string> = Readonly<Partial<Record<Name, string | undefined>>>

/** Labels of one link, and what they were written from. */
interface Link {
  readonly series: Pick<SeriesReport, 'check' | 'protocol' | 'path' | 'vantage' | 'family' | 'from' | 'to' | 'toZone'>
  readonly fromZone: string | undefined
  readonly text: string
}

/**
 * Returns a function that writes the labels of a series again only when they have changed since its last call. They are most of an
 * exposition, and a series keeps its labels and, as long as no other joins or leaves, its place in the row.
 */
export function createLinkTexts(): LinkTexts {
  let links: readonly Link[] = []
  return ({ self, series }) => {
    links = series.map((one, place) => {
      const known = links[place]
      return known !== undefined && isLabelled(known, one, self.zone) ? known : linkOf(one, self.zone)
    })
    return links.map(({ text }) => text)
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
  const text = labelsText(linkLabels, {
    check,
    protocol,
    path,
    vantage,
    family,
    source_node: from,
    source_zone: fromZone,
    target_node: to,
    target_zone: toZone,
  })
  return { series: { check, protocol, path, vantage, family, from, to, toZone }, fromZone, text }
}

/** Returns labels in the order of their names: `check="tcp",family="ipv4"`. A label without a value is written as an empty string. */
export function labelsText<Name extends string>(names: readonly Name[], values: Values<Name>): string {
  return names.map((name) => `${name}="${escapedValue(values[name] ?? '')}"`).join(',')
}

function escapedValue(value: string): string {
  return /[\\"\n]/.test(value)
    ? value.replaceAll('\\', String.raw`\\`).replaceAll('"', String.raw`\"`).replaceAll('\n', String.raw`\n`)
    : value
}

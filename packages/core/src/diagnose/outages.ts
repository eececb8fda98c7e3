import { groupBy } from '../model/group-by.ts'
import { formatDurationNs } from '../time/duration.ts'
import { linkFlapping } from './causes/index.ts'
import type { Finding } from './finding.ts'
import type { Incident } from './incidents.ts'

/**
 * An incident that returns within this time is the same one. Flapping ends after this time without an outage, or once an outage lasts this
 * long.
 */
export const returnsMs = 300_000
/** Number of outages of one cause within a time that make it flapping. */
const flaps = { least: 3, withinMs: 900_000 } as const

/** A time for which an incident was found. */
export interface Outage {
  readonly cause: string
  readonly fromMs: number
  /** Undefined until it has healed. */
  readonly toMs?: number
}

/** Returns the recent outages with the present one. While that goes on, its cause is the newest finding's: the first may have been a guess. */
export function continuedBy(outages: readonly Outage[], finding: Finding, atMs: number): readonly Outage[] {
  // The clock may have been set back since.
  const recent = outages.filter(({ fromMs }) => Math.abs(atMs - fromMs) < flaps.withinMs)
  const last = outages.at(-1)
  if (last === undefined || last.toMs !== undefined) return [...recent, outageOf(finding, atMs)]
  return [...recent.filter((one) => one !== last), { ...last, cause: finding.cause }]
}

/** Returns the outage that has begun; the clock of the agent that saw its beginning may be ahead. */
export function outageOf({ cause, sinceMs }: Finding, atMs: number): Outage {
  return { cause, fromMs: Math.min(sinceMs, atMs) }
}

/** Returns the outages once the last one has ended. */
export function healed(outages: readonly Outage[], toMs: number): readonly Outage[] {
  const last = outages.at(-1)
  return last === undefined || last.toMs !== undefined ? outages : [...outages.slice(0, -1), { ...last, toMs }]
}

/** Returns whether one cause returns again and again, and the present outage is short so far. */
export function isFlapping(outages: readonly Outage[], atMs: number): boolean {
  const last = outages.at(-1)
  if (last === undefined || atMs - last.fromMs >= returnsMs) return false
  return groupBy(outages, ({ cause }) => cause).some(({ length }) => length >= flaps.least)
}

/** Returns how a flapping incident is shown. It keeps its cause if only some packets are lost or late, or if its scope is not one of links. */
export function flappingWords(
  { cause, severity, scope, summary }: Pick<Incident, 'cause' | 'severity' | 'scope' | 'summary'>,
  { outages, isSoft }: { readonly outages: readonly Outage[]; readonly isSoft: boolean },
): Pick<Incident, 'cause' | 'severity' | 'summary'> {
  const since = new Date(outages[0]?.fromMs ?? 0).toISOString()
  const lastedMs = outages.flatMap(({ fromMs, toMs }) => (toMs === undefined ? [] : [Math.max(0, toMs - fromMs)]))
  const [least, most] = [Math.min(...lastedMs), Math.max(...lastedMs)].map((ms) => formatDurationNs(ms * 1e6))
  const each = least === most ? `for ${least}` : `for ${least} to ${most}`
  const isLink = !isSoft && linkFlapping.scopes.includes(scope.kind)
  return {
    ...(isLink ? { cause: linkFlapping.name, severity: linkFlapping.severity } : { cause, severity }),
    summary: `it came and went ${outages.length} times since ${since}, ${each} each time: ${summary}`,
  }
}

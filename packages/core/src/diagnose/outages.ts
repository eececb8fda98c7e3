import { groupBy } from '../model/group-by.ts'
import { formatDurationNs } from '../time/duration.ts'
import { linkFlapping } from './causes/index.ts'
import type { Finding } from './finding.ts'
import type { Incident } from './incidents.ts'

/** What comes back within this time is the same incident. What flaps ends after as much calm, and is one outage if it lasts as long. */
export const returnsMs = 300_000
/** So many outages of one cause within this time are one trouble that comes and goes. */
const flaps = { least: 3, withinMs: 900_000 } as const

/** A time for which an incident was found. */
export interface Outage {
  readonly cause: string
  readonly fromMs: number
  /** Undefined until it has healed. */
  readonly toMs?: number
}

/** Returns the outages with what is found now: the last one goes on until it has healed. What it was first named may have been a guess. */
export function continuedBy(outages: readonly Outage[], finding: Finding, atMs: number): readonly Outage[] {
  const recent = outages.filter(({ fromMs }) => atMs - fromMs < flaps.withinMs)
  const last = outages.at(-1)
  if (last === undefined || last.toMs !== undefined) return [...recent, outageOf(finding)]
  return [...recent.filter((one) => one !== last), { ...last, cause: finding.cause }]
}

export function outageOf({ cause, sinceMs }: Finding): Outage {
  return { cause, fromMs: sinceMs }
}

/** Returns the outages once the last one has ended. */
export function healed(outages: readonly Outage[], toMs: number): readonly Outage[] {
  const last = outages.at(-1)
  return last === undefined || last.toMs !== undefined ? outages : [...outages.slice(0, -1), { ...last, toMs }]
}

/** Returns whether outages of one cause follow each other, the last of which does not last. */
export function isFlapping(outages: readonly Outage[], atMs: number): boolean {
  const last = outages.at(-1)
  if (last === undefined || atMs - last.fromMs >= returnsMs) return false
  return groupBy(outages, ({ cause }) => cause).some(({ length }) => length >= flaps.least)
}

/** Returns how what flaps is shown: as a link that does, unless only some packets are lost, or it is no link. */
export function flappingWords(
  { cause, severity, scope, summary }: Pick<Incident, 'cause' | 'severity' | 'scope' | 'summary'>,
  { outages, isSoft }: { readonly outages: readonly Outage[]; readonly isSoft: boolean },
): Pick<Incident, 'cause' | 'severity' | 'summary'> {
  const since = new Date(outages[0]?.fromMs ?? 0).toISOString()
  const lastedMs = outages.flatMap(({ fromMs, toMs }) => (toMs === undefined ? [] : [toMs - fromMs]))
  const [least, most] = [Math.min(...lastedMs), Math.max(...lastedMs)].map((ms) => formatDurationNs(ms * 1e6))
  const each = least === most ? `for ${least}` : `for ${least} to ${most}`
  const isLink = !isSoft && linkFlapping.scopes.includes(scope.kind)
  return {
    ...(isLink ? { cause: linkFlapping.name, severity: linkFlapping.severity } : { cause, severity }),
    summary: `it came and went ${outages.length} times since ${since}, ${each} each time: ${summary}`,
  }
}

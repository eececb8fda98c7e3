import { familyNames } from '../model/endpoint.ts'
import { groupBy } from '../model/group-by.ts'
import { formatDurationNs } from '../time/duration.ts'
import type { FailingCheck, Link } from './links.ts'

/** Checks that fail in the same way, on one link or many. */
export interface FailureGroup {
  /** `to` is undefined for checks that do not target peers. */
  readonly links: readonly Pick<Link, 'from' | 'to'>[]
  readonly checks: readonly string[]
  /** Whether the group contains all checks of the link, and at least two. */
  readonly isEvery: boolean
  readonly family: FailingCheck['family']
  readonly reason: string
  readonly phase: string
  /** Message of one of the failures. */
  readonly message: string
  /** Start of the earliest failure. */
  readonly sinceMs: number
}

/** Number of links from which failures of the same kind are grouped, if they share an end. */
const manyLinks = 3

/** Groups the failures of all links. A group joins checks of one link, or links with a common end, that fail in the same way. */
export function failureGroups(links: readonly Link[]): readonly FailureGroup[] {
  const single = links.flatMap(groupsOfLink)
  const byEnd = [
    groupBy(single, (group) => `${likeness(group)} from ${group.links[0]?.from}`),
    groupBy(single, (group) => `${likeness(group)} to ${group.links[0]?.to}`),
  ].flat()
  const told = new Set<FailureGroup>()
  const together = byEnd
    .toSorted((a, b) => b.length - a.length)
    .flatMap((groups) => {
      const rest = groups.filter((group) => !told.has(group))
      if (rest.length < manyLinks) return []
      for (const group of rest) told.add(group)
      return [joined(rest)]
    })
  return [...together, ...single.filter((group) => !told.has(group))]
}

/** Returns `node1 -> node2: udp and udp-large fail since 13:05:11 (2m10s): timeout in echo: no answer within 3500 ms`. */
export function failureSentence({ links, checks, isEvery, ...group }: FailureGroup, nowMs: number): string {
  const { family, reason, phase, message, sinceMs } = group
  const what = isEvery ? 'every check fails' : `${listed(checks)} ${checks.length === 1 ? 'fails' : 'fail'}`
  const over = family === undefined ? '' : ` over ${familyNames[family]}`
  const where = phase === 'setup' ? '' : ` in ${phase}`
  return `${placeOf(links)}: ${what}${over} since ${sinceText(sinceMs, nowMs)}: ${reason}${where}: ${message}`
}

function groupsOfLink({ from, to, checkCount, failing }: Link): readonly FailureGroup[] {
  return groupBy(failing, ({ reason, phase, family = '' }) => `${reason} ${phase} ${family}`).flatMap((alike) => {
    const [first] = alike
    if (first === undefined) return []
    const { family, reason, phase, message } = first
    const checks = [...new Set(alike.map(({ check }) => check))]
    const sinceMs = Math.min(...alike.map((one) => one.sinceMs))
    const isEvery = checks.length > 1 && checks.length === checkCount
    return [{ links: [{ from, to }], checks, isEvery, family, reason, phase, message, sinceMs }]
  })
}

function likeness({ checks, family, reason, phase, links }: FailureGroup): string {
  return [links[0]?.to === undefined, ...checks, family, reason, phase].join(' ')
}

function joined(groups: readonly FailureGroup[]): FailureGroup {
  const [first] = groups
  if (first === undefined) throw new TypeError('a group has at least one member')
  return {
    ...first,
    links: groups.flatMap(({ links }) => links),
    sinceMs: Math.min(...groups.map(({ sinceMs }) => sinceMs)),
  }
}

function placeOf(links: readonly Pick<Link, 'from' | 'to'>[]): string {
  const from = nodesText(links.map((link) => link.from))
  const to = links.flatMap((link) => (link.to === undefined ? [] : [link.to]))
  return to.length === 0 ? from : `${from} -> ${nodesText(to)}`
}

/** Returns the names of nodes, or their number if they are many. */
export function nodesText(nodes: readonly string[]): string {
  const different = [...new Set(nodes)]
  return different.length > manyLinks ? `${different.length} nodes` : different.join(', ')
}

function listed(words: readonly string[]): string {
  const last = words.at(-1) ?? ''
  return words.length < 2 ? last : `${words.slice(0, -1).join(', ')} and ${last}`
}

/** Returns `13:05:11 (2m10s)`, with the date unless it is today. */
export function sinceText(sinceMs: number, nowMs: number): string {
  return `${clockText(sinceMs, nowMs)} (${ageText(nowMs - sinceMs)})`
}

/** Returns `13:05:11`, with the date unless it is today. */
export function clockText(atMs: number, nowMs: number): string {
  const at = new Date(atMs)
  const time = `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`
  const date = `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())} `
  const isToday = at.toDateString() === new Date(nowMs).toDateString()
  return `${isToday ? '' : date}${time}`
}

export function ageText(ms: number): string {
  const wholeSeconds = Math.max(0, Math.round(ms / 1000))
  return formatDurationNs(wholeSeconds * 1e9)
}

function pad(number: number): string {
  return String(number).padStart(2, '0')
}

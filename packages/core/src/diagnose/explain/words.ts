import { familyNames } from '../../model/endpoint.ts'
import { groupBy } from '../../model/group-by.ts'
import { isOwn } from '../cause.ts'
import type { Aspect, Fact, Loss, Symptom } from '../evidence.ts'
import { allNodes, type Direction, endsIn, type Scope } from '../scope.ts'

/** Completes a sentence about checks: `udp and udp-large get no answer`. */
const predicates: Readonly<Record<Symptom, readonly [one: string, several: string]>> = {
  passes: ['passes', 'pass'],
  silent: ['gets no answer', 'get no answer'],
  refused: ['is refused', 'are refused'],
  reset: ['is reset', 'are reset'],
  unreachable: ['is unreachable', 'are unreachable'],
  prohibited: ['is rejected', 'are rejected'],
  'denied-here': ['is denied by this host', 'are denied by this host'],
  exhausted: ['is exhausted', 'are exhausted'],
  'too-big': ['is too big', 'are too big'],
  wrong: ['gets a wrong answer', 'get wrong answers'],
  lossy: ['loses packets', 'lose packets'],
  slow: ['is slow', 'are slow'],
  jittery: ['takes varying times', 'take varying times'],
  duplicated: ['is duplicated', 'are duplicated'],
  reordered: ['is reordered', 'are reordered'],
  limited: ['is limited in bandwidth', 'are limited in bandwidth'],
  queued: ['waits in a queue', 'wait in a queue'],
  forgotten: ['loses its connection', 'lose their connections'],
  remarked: ['arrives with another DSCP', 'arrive with another DSCP'],
  skewed: ['is wrong', 'are wrong'],
  flapping: ['fails and recovers', 'fail and recover'],
}

/** Returns what facts show together, a clause for each symptom: `udp and udp-large get no answer over IPv4 on 2 links`. */
export function clausesOf(facts: readonly Fact[]): readonly string[] {
  const bySymptom = groupBy(facts, ({ symptom, path, vantage, family = '' }) => [symptom, path, vantage, family].join())
  // Families that show the same are one clause.
  const same = groupBy(bySymptom, (group) => JSON.stringify([group[0]?.symptom, checksOf(group), linksOf(group)]))
  return same.map((groups) => {
    const all = groups.flat()
    const families = [...new Set(all.flatMap(({ family }) => (family === undefined ? [] : [family])))]
    return clauseOf(all, families.length === 1 ? families : [])
  })
}

/** Returns what shows that everything is lost on one way: `no UDP request from node2 arrives at node3, while those from node3 arrive at node2`. */
export function arrivalClause(scope: Scope, direction: Direction): string {
  const [one = '', other = ''] = (endsIn(scope) ?? []).map((end) => (end === allNodes ? 'the other nodes' : end))
  const [from, to] = direction === 'return' ? [other, one] : [one, other]
  return `no UDP request from ${from} arrives at ${to}, while those from ${to} arrive at ${from}`
}

/** Returns what shows that answers are lost, and requests are not (arrivals.ts). */
export function unansweredClauses(facts: readonly Fact[]): readonly string[] {
  const links = linksOf(facts.filter(({ direction }) => direction === 'return'))
  const shown = links.slice(0, 4).join(', ')
  return links.length === 0
    ? []
    : [`UDP requests arrive at both ends, and no answers: ${links.length > 4 ? `${shown} and others` : shown}`]
}

const kindNames: Readonly<Record<string, string>> = {
  tcp: 'TCP',
  syn: 'TCP',
  http: 'TCP',
  udp: 'UDP',
  icmp: 'ICMP',
  dns: 'DNS',
}

/** Returns what fails, without a cause: `TCP is refused and udp-large gets no answer`. */
export function observedOf(failing: readonly Fact[], passing: readonly Fact[]): string {
  const passes = new Set(passing.map(({ check }) => check))
  const all = groupBy([...failing, ...passing], kindOf)
  return listed(
    groupBy(failing, ({ symptom }) => symptom).map((facts) => {
      const shown = new Set(checksOf(facts))
      const checks = groupBy(facts, kindOf).flatMap((ofKind) => {
        const kind = kindOf(ofKind[0])
        const alike = checksOf(all.find(([first]) => kindOf(first) === kind) ?? [])
        const isWhole = alike.every((check) => !passes.has(check) && shown.has(check))
        return isWhole ? [kind] : checksOf(ofKind)
      })
      return `${listed(checks)} ${predicates[facts[0]?.symptom ?? 'passes'][checks.length === 1 ? 0 : 1]}`
    }),
  )
}

function kindOf(fact: Aspect | undefined): string {
  return kindNames[fact?.protocol ?? ''] ?? fact?.check ?? ''
}

function clauseOf(facts: readonly Fact[], families: readonly string[]): string {
  const checks = checksOf(facts)
  if (facts.every(isOwn)) {
    const nodes = [...new Set(facts.map(({ from }) => from))]
    return `${listed(checks)} ${predicates[facts[0]?.symptom ?? 'passes'][checks.length === 1 ? 0 : 1]} on ${listed(nodes)}`
  }
  const links = linksOf(facts)
  const symptom = facts[0]?.symptom ?? 'passes'
  const over = families.map(overText).join('')
  const on = links.length > 1 ? ` on ${links.length} links` : links.length === 1 ? ` on ${links[0]}` : ''
  const attempts = facts.reduce((sum, { trials }) => sum + trials, 0)
  return `${listed(checks)} ${predicates[symptom][checks.length === 1 ? 0 : 1]}${over}${on} (${attempts} attempts${lossText(facts, links.length)})`
}

function lossText(facts: readonly Fact[], links: number): string {
  const symptom = facts[0]?.symptom ?? 'passes'
  const losses = facts.flatMap(({ loss, odd }) => loss ?? odd ?? [])
  if (losses.length === 0) return ''
  const low = Math.min(...losses.map((loss) => loss.low))
  const high = Math.max(...losses.map((loss) => loss.high))
  return `, ${percent(low)} to ${percent(high)} ${shareWords[symptom] ?? 'lost'}${links === 1 ? directionText(losses, symptom === 'reordered' ? 'volleys' : 'packets') : ''}`
}

/** What some packets are, beside lost. */
const shareWords: Readonly<Partial<Record<Symptom, string>>> = {
  duplicated: 'twice',
  reordered: 'out of order',
  remarked: 'changed',
}

function directionText(losses: readonly Loss[], unit: string): string {
  const known = losses.flatMap(({ forth, back }) =>
    forth === undefined || back === undefined ? [] : [{ forth, back }],
  )
  if (known.length === 0) return ''
  const forth = known.reduce((sum, one) => sum + one.forth.lost, 0)
  const back = known.reduce((sum, one) => sum + one.back.lost, 0)
  return `: ${forth} ${unit} on the way there, ${back} on the way back`
}

/** Returns `2.6 %`. */
export function percent(ratio: number): string {
  return `${Number((ratio * 100).toPrecision(2))} %`
}

function checksOf(facts: readonly Pick<Aspect, 'check'>[]): readonly string[] {
  return [...new Set(facts.map(({ check }) => check))]
}

function linksOf(facts: readonly Fact[]): readonly string[] {
  return [...new Set(facts.map(({ from, to }) => `${from} -> ${to.name}`))]
}

/** Returns `udp, tcp and icmp`. */
export function listed(words: readonly string[]): string {
  const last = words.at(-1) ?? ''
  return words.length < 2 ? last : `${words.slice(0, -1).join(', ')} and ${last}`
}

/** Returns an aspect as people name it: `udp-large over IPv6`. */
export function aspectText(aspect: Aspect): string {
  const { check, protocol, family, path, vantage, direction, socket, server } = aspect
  if (protocol === 'host') return `${check} of the node`
  const parts = [
    socket === undefined ? '' : `${articles[socket]} socket of `,
    check,
    direction === undefined ? '' : ` (${direction} only)`,
    server === undefined ? '' : ` at ${server}`,
    path === 'node' ? (vantage === 'host' ? ' from node to node' : ' to the node itself') : '',
    overText(family),
  ]
  return parts.join('')
}

const articles = { kept: 'a kept', idle: 'an idle' } as const

/** Returns ` over IPv6`; nothing without a family. */
export function overText(family: string | undefined): string {
  return family === undefined ? '' : ` over ${isFamily(family) ? familyNames[family] : family}`
}

function isFamily(text: string): text is keyof typeof familyNames {
  return Object.hasOwn(familyNames, text)
}

/** Returns the predicate of one check: `gets no answer`. */
export function predicateOf(symptom: Symptom): string {
  return predicates[symptom][0]
}

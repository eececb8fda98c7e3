import { serverPaths } from '../checks/check.ts'
import type { RowAnswer } from '../mesh/links.ts'
import type { Row } from '../mesh/row.ts'
import { flowShown, type SeriesReport, spreadShown } from '../mesh/series-report.ts'
import { isFailureReason } from '../model/failure.ts'
import { hostIn } from '../model/target.ts'
import { isDnsPod } from './cause.ts'
import { clockFacts } from './clocks.ts'
import {
  type Arrival,
  type Aspect,
  type End,
  type Evidence,
  Fact,
  type Known,
  type NodeEvidence,
  type Symptom,
  symptoms,
} from './evidence.ts'
import type { Collected } from './proofs/proof.ts'
import { createAspects } from './shared-aspects.ts'
import { withCommonSpread, withoutChance, withoutStragglers, withRejections } from './siblings.ts'
import { isStarved } from './starvation.ts'
import { symptomOf } from './symptom-of.ts'

/**
 * Returns what the rows of all agents show at `atMs`. A series without a current result, or whose peer is not ready, is no fact: what starts,
 * leaves or is gone accuses nobody.
 */
export function evidenceOf(answers: readonly RowAnswer[], atMs: number): Evidence {
  const nodes = nodesOf(answers)
  const zones = new Map(nodes.flatMap(({ name, zone }) => (zone === undefined ? [] : [[name, zone]])))
  const aspectFor = createAspects()
  const facts = withRejections(
    answers.flatMap(({ received }) => (received === undefined ? [] : factsOf(received, aspectFor))),
  )
  return {
    atMs,
    nodes,
    facts: [...withoutStragglers(withCommonSpread(withoutChance(facts)), zones), ...clockFacts(answers)],
    arrivals: answers.flatMap(({ received }) => (received === undefined ? [] : arrivalsIn(received))),
    collected: answers.flatMap(({ received }) => (received === undefined ? [] : collectedIn(received))),
  }
}

function collectedIn({ row, receivedAtMs }: NonNullable<RowAnswer['received']>): readonly Collected[] {
  return row.collected.map(({ to, proof, family, says, shows, packets, atMs }) => ({
    from: row.self.node,
    to,
    proof,
    family,
    says,
    shows: symptoms.find((symptom) => symptom === shows),
    packets,
    atMs: atMs - (row.takenAtMs - receivedAtMs),
  }))
}

/** Returns what arrives at an agent. One that lacks CPU may not have read it. */
function arrivalsIn({ row, receivedAtMs }: NonNullable<RowAnswer['received']>): readonly Arrival[] {
  if (row.lateness !== undefined && isStarved(row.lateness)) return []
  const aheadMs = row.takenAtMs - receivedAtMs
  return row.arrivals.map(({ from, family, atMs }) => ({
    at: row.self.node,
    from,
    family,
    lastMs: atMs - aheadMs,
    asOfMs: receivedAtMs,
  }))
}

function factsOf(
  { row, receivedAtMs }: NonNullable<RowAnswer['received']>,
  aspectFor: (aspect: Aspect) => Aspect,
): readonly Fact[] {
  const aheadMs = row.takenAtMs - receivedAtMs
  const canAskPods = areAsked(row.series)
  return row.series.flatMap((series): readonly Fact[] => {
    const { check, protocol, bytes, path, vantage, family, socket, from, target, trials } = series
    const hindrance = hindranceOf(series)
    const shown = hindrance?.shown ?? (socket === undefined ? shownBy(series) : shownByFlow(series))
    const last = hindrance?.last ?? series.last
    if (shown === undefined || last === undefined) return []
    if (isDnsPod(series) && !canAskPods) return []
    const known = {
      from,
      to: endOf(series, row),
      target,
      trials,
      ...shown,
      sinceMs: (shown.sinceMs ?? series.sinceMs ?? last.startedAtMs) - aheadMs,
      lastMs: last.startedAtMs - aheadMs,
      medianNs: series.medianNs,
    }
    const server = isDnsPod(series) ? podOf(series, last) : undefined
    return [new Fact(aspectFor({ check, protocol, bytes, path, vantage, family, socket, server }), known)]
  })
}

type Shown = Pick<Known, 'symptom'> & Partial<Known>

/** Returns what keeps an agent from attempts at all, if that is evidence. */
function hindranceOf({ hindered }: SeriesReport): { readonly shown: Shown; readonly last: ResultReport } | undefined {
  if (hindered === undefined) return undefined
  const { last, sinceMs, trials } = hindered
  const failure = failureOf(last)
  return failure === undefined ? undefined : { shown: { ...failure, sinceMs, trials }, last }
}

/** Returns how a series behaves. What the detector finds over many attempts says more than the last of them. */
function shownBy(series: SeriesReport): Shown | undefined {
  const { state, last, loss, duplicated, reordered, remarked, slow } = series
  if (state !== 'ok' && state !== 'failing') return undefined
  if (loss !== undefined) {
    const { sinceMs, trials, ...shares } = loss
    return { ...causeOf(series.failures.at(-1)), symptom: 'lossy', loss: shares, sinceMs, trials }
  }
  if (state === 'failing') return last === undefined ? undefined : failureOf(last)
  if (duplicated !== undefined) {
    const { sinceMs, trials, ...odd } = duplicated
    return { symptom: 'duplicated', odd, sinceMs, trials }
  }
  if (reordered !== undefined) {
    const { sinceMs, trials, ...odd } = reordered
    return { symptom: 'reordered', odd, sinceMs, trials }
  }
  if (slow !== undefined) {
    const { byNs: slowerNs, sinceMs, trials } = slow
    const spread = spreadShown(series)
    return { symptom: spread === undefined ? 'slow' : 'jittery', slowerNs, spread, sinceMs, trials }
  }
  // It harms nobody, and so hides nothing that does.
  if (remarked === undefined) return { symptom: 'passes' }
  const { sinceMs, trials, dscp, ...odd } = remarked
  return { symptom: 'remarked', odd, dscp, sinceMs, trials }
}

/** Returns how the flow of a series behaves. Only attempts that found it dropped count for that, and not what failed otherwise before. */
function shownByFlow(series: SeriesReport): Shown | undefined {
  const { last, failures, sinceMs = 0 } = series
  const shown = flowShown(series)
  if (shown === 'passes') return { symptom: 'passes' }
  const failure = shown === undefined || last === undefined ? undefined : failureOf(last)
  if (failure === undefined) return undefined
  const isOther = (one: ResultReport) => one.ok || one.failure.reason !== 'flow-dropped' || one.startedAtMs < sinceMs
  const dropped = failures.slice(failures.findLastIndex(isOther) + 1)
  return { ...failure, trials: dropped.length, sinceMs: dropped[0]?.startedAtMs ?? sinceMs }
}

type ResultReport = NonNullable<SeriesReport['last']>

function failureOf(last: ResultReport): Shown | undefined {
  if (last.ok) return undefined
  const { reason, code, icmp } = last.failure
  // A newer agent may report reasons that this version does not know.
  const symptom: Symptom | undefined = isFailureReason(reason) ? symptomOf({ reason, code, icmp }) : 'wrong'
  return symptom === undefined ? undefined : { ...causeOf(last), symptom }
}

function causeOf(result: ResultReport | undefined): Partial<Known> {
  if (result === undefined || result.ok) return {}
  const { reason, phase, code, icmp, message } = result.failure
  return { reason: isFailureReason(reason) ? reason : undefined, phase, code, icmpFrom: icmp?.from, message }
}

/**
 * Returns what a series is about: a peer's node, the name server that it asked (about a peer's name, too), or the service it names. A server of cluster DNS is about the
 * name server that stands for it, which the same check asks: the first, unless another one is all that answers.
 */
export function endOf(series: SeriesReport, { series: all }: Pick<Row, 'series'>): End {
  const { to, check, protocol, path, target } = series
  if (isDnsPod(series)) {
    const servers = all.filter((one) => one.check === check && paths.has(one.path))
    const answering = servers.find(isAnswering)
    return { kind: 'name-server', name: serverOf(answering ?? servers[0] ?? series) }
  }
  // The name of a peer is looked up elsewhere.
  const isLookup = protocol === 'dns' && (path === 'name' || paths.has(path))
  if (to !== undefined && !isLookup) return { kind: 'node', name: to }
  return protocol === 'dns'
    ? { kind: 'name-server', name: serverOf(series) }
    : { kind: 'service', name: hostIn(target) }
}

const paths: ReadonlySet<string> = new Set(serverPaths)

/**
 * Returns whether an agent can ask servers of cluster DNS directly. Where not one of them has ever answered, or answers while their address
 * does, a policy may let pods ask only that.
 */
function areAsked(all: readonly SeriesReport[]): boolean {
  const pods = all.filter(isDnsPod)
  if (pods.some(isAnswering)) return true
  const haveAnswered = pods.some(({ succeededAtMs }) => succeededAtMs !== undefined)
  return haveAnswered && !all.some((one) => paths.has(one.path) && isAnswering(one))
}

/** Whether some attempts pass: of one that fails, those to another server on the same node. */
function isAnswering({ state, loss, succeededAtMs = 0, sinceMs = 0 }: SeriesReport): boolean {
  return state === 'ok' || loss !== undefined || (state === 'failing' && succeededAtMs > sinceMs)
}

/** Several servers on one node share a series: returns the one that failed, not the one that was asked last. */
function podOf({ target, loss, failures }: SeriesReport, last: ResultReport): string {
  const failed = last.ok ? loss && failures.at(-1) : last
  return serverOf(failed === undefined ? { target, last } : { target: failed.target, last: failed })
}

function serverOf({ target, last }: Pick<SeriesReport, 'target' | 'last'>): string {
  return last?.endpoint?.address ?? target.replace(/^.*@/, '')
}

function nodesOf(answers: readonly RowAnswer[]): readonly NodeEvidence[] {
  const rows = answers.flatMap(({ received }) => received?.row ?? [])
  const zones = new Map(rows.flatMap(({ peers }) => peers.map(({ node, zone }) => [node, zone])))
  const problems = new Map(
    rows.flatMap(({ knowledge }) => (knowledge.nodes ?? []).map(({ name, problems }) => [name, problems])),
  )
  return [...new Set(answers.map(({ node }) => node))].map((name) => {
    const own = rows.filter(({ self }) => self.node === name)
    return {
      name,
      zone: own[0]?.self.zone ?? zones.get(name),
      hasRow: own.length > 0,
      isStarved: own.some(({ lateness }) => lateness !== undefined && isStarved(lateness)),
      isOverlay: isOverlay(own),
      problems: (problems.get(name) ?? []).map(({ type, status, reason }) => `${type}=${status} (${reason})`),
    }
  })
}

/** MTU in bytes of interfaces without a tunnel: Ethernet, Google Cloud, jumbo frames, AWS. */
const plainMtus: ReadonlySet<number> = new Set([1500, 1460, 9000, 9001, 8896, 65_535, 65_536])
/** Bytes that tunnels take: IP-in-IP 20, VXLAN 50 or 70, Geneve and WireGuard up to 80. */
const tunnelBytes = { least: 20, most: 100 }

/** Returns whether pods send through a tunnel, by the MTU that the CNI gave them. */
function isOverlay(rows: readonly Row[]): boolean | undefined {
  const [mtu] = rows.flatMap(({ self }) => self.mtu ?? [])
  if (mtu === undefined) return undefined
  if (plainMtus.has(mtu)) return false
  return [...plainMtus].some((plain) => plain - mtu >= tunnelBytes.least && plain - mtu <= tunnelBytes.most)
}

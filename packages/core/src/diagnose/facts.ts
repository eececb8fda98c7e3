import type { RowAnswer } from '../mesh/links.ts'
import type { Row, SeriesReport } from '../mesh/row.ts'
import { isFailureReason } from '../model/failure.ts'
import { hostIn } from '../model/target.ts'
import { clockFacts } from './clocks.ts'
import type { End, Evidence, Fact, NodeEvidence, Symptom } from './evidence.ts'
import { makeFact, symptomOf } from './evidence.ts'
import { withoutStragglers } from './siblings.ts'
import { isStarved } from './starvation.ts'

/**
 * Returns what the rows of all agents show at `atMs`. A series without a current result, or whose peer is not ready, is no fact: what starts,
 * leaves or is gone accuses nobody.
 */
export function evidenceOf(answers: readonly RowAnswer[], atMs: number): Evidence {
  const nodes = nodesOf(answers)
  const zones = new Map(nodes.flatMap(({ name, zone }) => (zone === undefined ? [] : [[name, zone]])))
  const facts = answers.flatMap(({ received }) => (received === undefined ? [] : factsOf(received)))
  return { atMs, nodes, facts: [...withoutStragglers(facts, zones), ...clockFacts(answers)] }
}

function factsOf({ row, receivedAtMs }: NonNullable<RowAnswer['received']>): readonly Fact[] {
  const aheadMs = row.takenAtMs - receivedAtMs
  return row.series.flatMap((series): readonly Fact[] => {
    const { check, protocol, bytes, path, vantage, family, from, target, trials } = series
    const hindrance = hindranceOf(series)
    const shown = hindrance?.shown ?? shownBy(series)
    const last = hindrance?.last ?? series.last
    if (shown === undefined || last === undefined) return []
    const known = {
      from,
      to: endOf(series),
      target,
      trials,
      ...shown,
      sinceMs: (shown.sinceMs ?? series.sinceMs ?? last.startedAtMs) - aheadMs,
      lastMs: last.startedAtMs - aheadMs,
    }
    return [makeFact({ check, protocol, bytes, path, vantage, family }, known)]
  })
}

type Shown = Pick<Fact, 'symptom'> & Partial<Fact>

/** Returns what keeps an agent from attempts at all, if that is evidence. */
function hindranceOf({ hindered }: SeriesReport): { readonly shown: Shown; readonly last: ResultReport } | undefined {
  if (hindered === undefined) return undefined
  const { last, sinceMs, trials } = hindered
  const failure = failureOf(last)
  return failure === undefined ? undefined : { shown: { ...failure, sinceMs, trials }, last }
}

/** Returns how a series behaves. What the detector finds over many attempts says more than the last of them. */
function shownBy(series: SeriesReport): Shown | undefined {
  const { state, last, loss, slow } = series
  if (state !== 'ok' && state !== 'failing') return undefined
  if (loss !== undefined) {
    const { low, high, sinceMs, trials } = loss
    return { ...causeOf(series.failures.at(-1)), symptom: 'lossy', loss: { low, high }, sinceMs, trials }
  }
  if (state === 'failing') return last === undefined ? undefined : failureOf(last)
  if (slow === undefined) return { symptom: 'passes' }
  return { symptom: 'slow', slowerNs: slow.byNs, sinceMs: slow.sinceMs, trials: slow.trials }
}

type ResultReport = NonNullable<SeriesReport['last']>

function failureOf(last: ResultReport): Shown | undefined {
  if (last.ok) return undefined
  const { reason, code, icmp } = last.failure
  // A newer agent may report reasons that this version does not know.
  const symptom: Symptom | undefined = isFailureReason(reason) ? symptomOf({ reason, code, icmp }) : 'wrong'
  return symptom === undefined ? undefined : { ...causeOf(last), symptom }
}

function causeOf(result: ResultReport | undefined): Pick<Fact, 'reason' | 'phase' | 'code' | 'icmpFrom' | 'message'> {
  if (result === undefined || result.ok) return {}
  const { reason, phase, code, icmp, message } = result.failure
  return { reason: isFailureReason(reason) ? reason : undefined, phase, code, icmpFrom: icmp?.from, message }
}

/** Returns what a series is about: a peer's node, the name server that it asked, or the service it names. */
function endOf({ to, protocol, target, last }: SeriesReport): End {
  if (to !== undefined) return { kind: 'node', name: to }
  if (protocol === 'dns') return { kind: 'name-server', name: last?.endpoint?.address ?? target.replace(/^.*@/, '') }
  return { kind: 'service', name: hostIn(target) }
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

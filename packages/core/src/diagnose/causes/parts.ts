import {
  both,
  evenly,
  isDns,
  isDnsOverTcp,
  isDnsPod,
  isDnsUsual,
  isIcmp,
  isOld,
  isOwn,
  isTcp,
  isUdp,
  mostly,
  type Said,
  type Selector,
  surely,
  type Variant,
} from '../cause.ts'
import type { Fact, NodeEvidence, Symptom } from '../evidence.ts'
import { percent } from '../explain/words.ts'
import { type ProofName, proofs } from '../proofs/index.ts'
import { isProof } from '../proofs/proof.ts'
import type { ScopeKind } from '../scope.ts'
import { shellWord } from '../shell.ts'

/** What causes share: selectors of what travels over the pod network, variants by family, and parts of sentences. */

/** Every kind of place that consists of links between nodes. */
export const ofLinks: readonly ScopeKind[] = ['link', 'node-side', 'node', 'zone-pair', 'cluster']

/** Between pods, as opposed to name servers, services and the nodes themselves. */
export const overPods: Selector = ({ path }) => path === 'pod'

/** By the address of a service, which nodes translate. */
export const overServices: Selector = (aspect) =>
  (aspect.path === 'service' || aspect.path === 'name') && !isOld(aspect)

/** Queries to a name server by the address that stands for its servers. */
export const isByAddress: Selector = (aspect) => isDns(aspect) && !isDnsPod(aspect)

/** Returns whether large packets that were sent together show one of these symptoms. */
export function isTrain(failing: readonly Fact[], ...symptoms: readonly Symptom[]): boolean {
  return failing.some((fact) => proven('train')(fact) && symptoms.includes(fact.symptom))
}

/** Returns a form of a slow line under load: large packets that are sent together show one of these symptoms, and everything is late or lost. */
export function underLoad(trains: readonly Symptom[], symptoms: readonly Symptom[]): Variant {
  return {
    id: `${trains.join()} ${symptoms.join()}`,
    lines: [
      surely(proven('train'), ...trains),
      evenly(proven('flows'), 'lossy'),
      mostly(both(overPods, isTcp), ...new Set([...symptoms, 'slow' as const])),
      mostly(overPods, ...symptoms),
    ],
  }
}

/** Returns the symptoms of packets that wait: each as long as the others, or, where a queue grows and shrinks, longer or shorter. */
export function lateIn(failing: readonly Fact[]): readonly Symptom[] {
  const seen = seenOf(failing, ['slow', 'jittery'])
  return seen.length === 0 ? ['slow'] : seen
}

/** Returns what such a train showed, and what that looks like: `…, as if a limit …`. */
export function trainText({ collected }: Pick<Said, 'collected'>, likeness: string): string | undefined {
  const train = collected.find(({ proof, shows }) => proof === 'train' && (shows === 'limited' || shows === 'queued'))
  return train === undefined ? undefined : `${train.says}, as if ${likeness}`
}

/** Returns a selector of what a proof shows. */
export function proven(name: ProofName): Selector {
  const { subject } = proofs[name]
  return (aspect) => isProof(aspect) && aspect.check === subject
}

/** Kinds of packets that filters tell apart. */
export const kinds = [
  { name: 'TCP', about: isTcp },
  { name: 'UDP', about: isUdp },
  { name: 'ICMP', about: isIcmp },
] as const

/** Nats that a fault of one IP version costs more than one of both. */
const familyPrice = 1.5

/** Returns a variant as it is, and for each family alone in which something fails. */
export function byFamily(failing: readonly Fact[], variant: Variant): readonly Variant[] {
  const families = new Set(failing.flatMap(({ family }) => family ?? []))
  return [
    variant,
    ...[...families].map(
      (family): Variant => ({
        ...variant,
        id: `${variant.id} ${family}`,
        price: (variant.price ?? 0) + familyPrice,
        lines: variant.lines.map((line) => ({
          ...line,
          about: both(line.about, (aspect) => aspect.family === undefined || aspect.family === family),
        })),
      }),
    ),
  ]
}

/** Returns a selector of what a node reports about itself under this name. */
export function own(check: string): Selector {
  return (aspect) => isOwn(aspect) && aspect.check === check
}

/** Returns the variant if one of the failures is of this kind. Without it the cause would be a guess. */
export function ifSeen(failing: readonly Fact[], about: Selector, variant: Variant): readonly Variant[] {
  return failing.some(about) ? [variant] : []
}

/**
 * Returns a variant about the checks of UDP that show a symptom, and one about each of them if there are several: what such a check looks
 * for depends on its options, which facts do not have.
 */
export function byCheck(
  failing: readonly Fact[],
  symptom: Symptom,
  variantOf: (about: Selector) => Variant,
): readonly Variant[] {
  const names = [
    ...new Set(failing.flatMap((fact) => (fact.symptom === symptom && isUdp(fact) ? [fact.check] : []))),
  ].toSorted()
  const groups = names.length > 1 ? [names, ...names.map((name) => [name])] : names.map((name) => [name])
  return groups.map((group) => {
    const variant = variantOf(({ check }) => group.includes(check))
    return { ...variant, id: `${variant.id} ${group.join(' ')}` }
  })
}

/** Returns whether a query over UDP had an answer, and failed only in its retry over TCP. */
export function isAnsweredByUdp(fact: Fact): boolean {
  return isDns(fact) && !isDnsOverTcp(fact) && (fact.phase === 'connect' || fact.phase === 'retry')
}

/** Attempts in a row that pass by chance where half of them are lost: once in thirty times. */
export const steadyTrials = 5

/** Returns whether single queries over UDP pass only since a moment ago, so that they may be lost as well as others. */
export function isUnsteady(passing: readonly Fact[]): boolean {
  return passing.some((fact) => isDnsUsual(fact) && fact.trials < steadyTrials)
}

/** Returns those of these symptoms that occur. */
export function seenOf<S extends Symptom>(failing: readonly Fact[], symptoms: readonly S[]): readonly S[] {
  return symptoms.filter((symptom) => failing.some((fact) => fact.symptom === symptom))
}

/** Returns ` over IPv6` if only one IP version is concerned while the other passes. */
export function overFamily({ failing, passing }: Pick<Said, 'failing' | 'passing'>): string {
  const families = new Set(failing.flatMap(({ family }) => family ?? []))
  const others = new Set(passing.flatMap(({ family }) => family ?? []))
  const [family] = families
  const names: Readonly<Record<string, string>> = { ipv4: ' over IPv4', ipv6: ' over IPv6' }
  return families.size === 1 && family !== undefined && [...others].some((other) => other !== family)
    ? (names[family] ?? '')
    : ''
}

/** Returns the bounds of the share of packets that are odd: `10 % to 20 %`. */
export function shareText({ failing }: Pick<Said, 'failing'>): string {
  const shares = failing.flatMap(({ odd }) => odd ?? [])
  const low = percent(Math.min(...shares.map((share) => share.low)))
  return `${low} to ${percent(Math.max(...shares.map((share) => share.high)))}`
}

/** Returns the command that repeats one of the failing attempts. */
export function repeated({ failing }: Said, options = ''): string {
  const fact = failing.find((one) => !isOwn(one))
  if (fact === undefined) return 'scout-probe mesh'
  return `scout-probe --from ${[fact.from, fact.protocol, fact.target].map(shellWord).join(' ')}${options}`
}

/** Returns the command that runs another one on the node that a finding is about: the receiving one, if it is about a link. */
export function onNode({ scope, failing: [fact] }: Said, command: string): string {
  const receiver = fact?.to.kind === 'node' ? fact.to.name : fact?.from
  const node = 'node' in scope ? scope.node : receiver
  return node === undefined
    ? 'scout-probe mesh'
    : `kubectl debug ${shellWord(`node/${node}`)} -it --image=busybox -- ${command}`
}

/** Returns nats by whether the pod network is an overlay: `yes` if it is, `no` if it is not. */
export function ifOverlay(nodes: readonly NodeEvidence[], yes: number, no: number): number {
  const known = nodes.flatMap(({ isOverlay }) => isOverlay ?? [])
  if (known.length === 0) return 0
  return known.some(Boolean) ? yes : no
}

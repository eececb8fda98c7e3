import type { Line, Variant } from '../cause.ts'
import { isTcp } from '../cause.ts'
import { type Aspect, type Fact, ofSome, type Symptom, symptoms } from '../evidence.ts'
import { createAspects, isSameAspect } from '../shared-aspects.ts'
import { isKnown, isWeak, type Trouble, troubleOf } from './trouble.ts'

/** One aspect of a link. Links that share a vector have the same symptom there; the fact is that of the first of them. */
export interface Cell {
  readonly fact: Fact
  /** Whether it is a success that rests on few attempts since the trouble began. */
  readonly isWeak: boolean
}

/** What is known of a link and not yet explained. Links that behave alike share one vector. */
export interface Vector {
  readonly cells: readonly Cell[]
  /** Those of them that fail, and those that pass. */
  readonly failing: readonly Fact[]
  readonly passing: readonly Fact[]
  /** The most that explanations of all its failures can be worth together, in nats. */
  readonly worth: number
}

/** What a variant is worth on a vector. */
export interface Value {
  /** Log-likelihood ratio to a healthy link, in nats. */
  readonly nats: number
  /** The failing cells that it explains. */
  readonly explained: readonly Cell[]
  /** Whether something fails as it says, so that it is worth saying why it is not the cause. */
  readonly isSuggested: boolean
}

/** Probability of each symptom but `passes` on a healthy link. */
const strayProbability = 0.005
/** Largest weight of one aspect, and of all that travels as TCP: kinds of evidence count, not packets. */
const capOfAspect = 6
const capOfTcp = 8

/** Returns what is known of the aspects of a link. A success from before its trouble is no evidence about that. */
export function cellsOf(facts: readonly Fact[]): readonly Cell[] {
  const trouble = troubleOf(facts)
  return facts.flatMap((fact) => (isKnown(fact, trouble) ? [{ fact, isWeak: isWeak(fact, trouble) }] : []))
}

interface TrieNode {
  readonly children: Map<number, TrieNode>
  vector?: Vector
}

/** Makes vectors. Equal cells give the same vector, so that what is computed from one can be remembered. */
export function createVectors() {
  const root: TrieNode = { children: new Map() }
  const codeOf = createCodes()
  const step = ({ children }: TrieNode, code: number): TrieNode => {
    let child = children.get(code)
    if (child === undefined) {
      child = { children: new Map() }
      children.set(code, child)
    }
    return child
  }
  const finish = (node: TrieNode, cells: () => readonly Cell[]): Vector => {
    node.vector ??= vectorFrom(cells())
    return node.vector
  }
  const lookUp = ({ facts, trouble }: LinkEvidence): Vector => {
    let node = root
    for (const fact of facts) if (isKnown(fact, trouble)) node = step(node, codeOf(fact, isWeak(fact, trouble)))
    return finish(node, () => cellsOf(facts))
  }
  let before: (LinkEvidence & { readonly vector: Vector }) | undefined
  return {
    vectorOf: (cells: readonly Cell[]): Vector =>
      finish(
        cells.reduce((node, { fact, isWeak }) => step(node, codeOf(fact, isWeak)), root),
        () => cells,
      ),
    /**
     * Returns the vector of `cellsOf(facts)`. A mesh has hundreds of thousands of cells, so it makes them only for a new vector, and first
     * compares with the previous link, as which most behave.
     */
    vectorOfFacts(facts: readonly Fact[]): Vector {
      const link = { facts, trouble: troubleOf(facts) }
      if (before === undefined || !areAlike(link, before)) before = { ...link, vector: lookUp(link) }
      return before.vector
    },
    /** Splits the facts of a link into those that these cells of its vector stand for, and the others. */
    split(facts: readonly Fact[], cells: readonly Cell[]): readonly [readonly Fact[], readonly Fact[]] {
      if (cells.length === facts.length) return [facts, []]
      const codes = new Set(cells.map(({ fact, isWeak }) => codeOf(fact, isWeak)))
      const parts: [Fact[], Fact[]] = [[], []]
      for (const fact of facts) parts[codes.has(codeOf(fact, false)) ? 0 : 1].push(fact)
      return parts
    },
  }
}

function vectorFrom(cells: readonly Cell[]): Vector {
  const facts = cells.map(({ fact }) => fact)
  const failing = facts.filter(({ symptom }) => symptom !== 'passes')
  const passing = facts.filter(({ symptom }) => symptom === 'passes')
  return { cells, failing, passing, worth: sumOf(failing.map((fact) => ({ fact, nats: capOfAspect }))) }
}

/** Numbers cells by what distinguishes them. */
function createCodes(): (fact: Fact, isWeak: boolean) => number {
  const aspectFor = createAspects()
  const numbers = new Map<Aspect, number>()
  let count = 0
  const numberOf = (aspect: Aspect): number => {
    let number = numbers.get(aspect)
    if (number === undefined) {
      const same = aspectFor(aspect)
      number = numbers.get(same) ?? count++
      numbers.set(same, number).set(aspect, number)
    }
    return number
  }
  return ({ aspect, symptom }, isWeak) =>
    2 * (numberOf(aspect) * symptoms.length + symptoms.indexOf(symptom)) + Number(isWeak)
}

interface LinkEvidence {
  readonly facts: readonly Fact[]
  readonly trouble: Trouble
}

/** Returns whether two links have equal cells. */
function areAlike(one: LinkEvidence, other: LinkEvidence): boolean {
  if (one.facts.length !== other.facts.length) return false
  const areHealthy = one.trouble.onsetMs === undefined && other.trouble.onsetMs === undefined
  for (let index = 0; index < one.facts.length; index++) {
    const [a, b] = [one.facts[index], other.facts[index]]
    if (a === undefined || b === undefined || a.symptom !== b.symptom || !isSameAspect(a.aspect, b.aspect)) return false
    // Where nothing fails, every success is known.
    if (areHealthy) continue
    if (isKnown(a, one.trouble) !== isKnown(b, other.trouble)) return false
    if (isWeak(a, one.trouble) !== isWeak(b, other.trouble)) return false
  }
  return true
}

/** Returns a function that values variants on vectors, and remembers the values. */
export function createValuation(): (variant: Variant, vector: Vector) => Value {
  const known = new Map<Vector, Map<Variant, Value>>()
  return (variant, vector) => {
    let values = known.get(vector)
    if (values === undefined) {
      values = new Map()
      known.set(vector, values)
    }
    let value = values.get(variant)
    if (value === undefined) {
      value = valueOf(variant, vector)
      values.set(variant, value)
    }
    return value
  }
}

/** Returns the weight of one cell under a variant, and whether the variant explains its failure. */
export function weightOf({ lines }: Pick<Variant, 'lines'>, cell: Cell): { nats: number; explains: boolean } {
  const line = lines.find(({ about }) => about(cell.fact))
  return line === undefined ? { nats: 0, explains: false } : weightUnder(line, cell)
}

function weightUnder(
  { shows, probability }: Line,
  { fact: { symptom }, isWeak }: Cell,
): { nats: number; explains: boolean } {
  if (shows.includes(symptom)) {
    const nats = symptom === 'passes' ? 0 : Math.log(probability / formsOf(shows) / strayProbability)
    return { nats, explains: symptom !== 'passes' }
  }
  const isOfSome = shows.every((one) => ofSome.has(one))
  // Few successes do not contradict a loss of some packets, and a failure of all packets hides it.
  const contradicts = isOfSome ? symptom === 'passes' && !isWeak : arrives.has(symptom)
  if (!contradicts || shows.includes('passes')) return { nats: 0, explains: false }
  const nats = Math.log((1 - probability) / (1 - strayProbability))
  return { nats: isWeak ? nats / 2 : nats, explains: false }
}

/**
 * Returns how many different symptoms these are. Silence and a report that nothing can be reached are one: hosts limit the rate of such
 * reports, and send them only once a neighbour has not answered (RFC 1812 §4.3.2.8).
 */
function formsOf(shows: readonly Symptom[]): number {
  return shows.includes('silent') && shows.includes('unreachable') ? shows.length - 1 : shows.length
}

/** Symptoms of packets that arrive at the other end, at least some of them. */
const arrives: ReadonlySet<Symptom> = new Set([
  'passes',
  'lossy',
  'slow',
  'refused',
  'reset',
  'wrong',
  'jittery',
  'duplicated',
  'reordered',
  'limited',
  'queued',
  'remarked',
])

function valueOf(variant: Variant, { cells }: Vector): Value {
  const weights = cells.map((cell) => ({ cell, fact: cell.fact, ...weightOf(variant, cell) }))
  const explained = weights.flatMap(({ cell, explains }) => (explains ? [cell] : []))
  const against = weights.filter(({ nats }) => nats < 0)
  const isApart = variant.isWhole === true && against.some(({ cell }) => !cell.isWeak)
  return {
    nats: sumOf(isApart ? against : weights),
    explained: isApart ? [] : explained,
    isSuggested: explained.length > 0,
  }
}

function sumOf(weights: readonly { readonly fact: Fact; readonly nats: number }[]): number {
  const tcp = new Map<string, number>()
  let sum = 0
  for (const { fact, nats } of weights) {
    const capped = clamp(nats, capOfAspect)
    if (!isTcp(fact)) sum += capped
    else {
      const stack = `${fact.family ?? ''} ${fact.vantage} ${fact.path}`
      tcp.set(stack, (tcp.get(stack) ?? 0) + capped)
    }
  }
  for (const nats of tcp.values()) sum += clamp(nats, capOfTcp)
  return sum
}

function clamp(nats: number, cap: number): number {
  return Math.max(-cap, Math.min(cap, nats))
}

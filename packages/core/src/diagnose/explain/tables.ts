import { type Askable, askables, awaited } from '../aspects.ts'
import type { Variant } from '../cause.ts'
import { twinsOf } from '../causes/twins.ts'
import type { Aspect, Symptom } from '../evidence.ts'
import { aspectText } from './words.ts'

/** Probability by which two tables must differ on an aspect, so that looking at it tells them apart. */
const tellingDifference = 0.5
/** Probability of each aspect to pass where no line of a table is about it. */
const healthyProbability = 0.995

type Table = Pick<Variant, 'lines'>

/** Returns how likely each symptom of an aspect is if the cause holds. */
function expectedOf({ lines }: Table, aspect: Aspect): ReadonlyMap<Symptom, number> {
  const line = lines.find(({ about }) => about(aspect))
  if (line === undefined || line.shows.length === 0) return new Map([['passes', healthyProbability]])
  const { shows, probability } = line
  const expected = new Map<Symptom, number>([['passes', 1 - probability]])
  for (const symptom of shows) expected.set(symptom, probability / shows.length)
  return expected
}

/** Returns the probability that tells two tables apart by this aspect, from 0 (they expect the same) to 1. */
function differenceOf(one: Table, other: Table, aspect: Aspect): number {
  const [a, b] = [expectedOf(one, aspect), expectedOf(other, aspect)]
  const symptoms = [...new Set([...a.keys(), ...b.keys()])]
  return symptoms.reduce((sum, symptom) => sum + Math.abs((a.get(symptom) ?? 0) - (b.get(symptom) ?? 0)), 0) / 2
}

/**
 * Returns the aspect that tells two tables apart: of those that checks yield today, if there is one, that on which they differ most.
 * Undefined if there is none.
 */
export function telling(one: Table, other: Table, aspects: readonly Askable[]): Askable | undefined {
  return aspects
    .map((askable) => ({ askable, difference: differenceOf(one, other, askable.aspect) }))
    .filter(({ difference }) => difference > tellingDifference)
    .toSorted((a, b) => rankOf(a.askable) - rankOf(b.askable) || b.difference - a.difference)[0]?.askable
}

function rankOf({ waitsFor }: Askable): number {
  return waitsFor === undefined ? 0 : 1
}

interface Named {
  readonly cause: { readonly name: string }
  readonly variant: Table
}

/** Completes "look …": what tells two causes apart, given the aspects that are known already. */
export function separatorOf(one: Named, other: Named, known: readonly Aspect[]): string {
  const knownTexts = new Set(known.map(aspectText))
  const families = new Set(known.map(({ family }) => family))
  const open = askables().filter(
    ({ aspect }) => !knownTexts.has(aspectText(aspect)) && (aspect.family === undefined || families.has(aspect.family)),
  )
  const found = telling(one.variant, other.variant, open)
  if (found?.waitsFor === undefined && found !== undefined) return `whether ${aspectText(found.aspect)} passes`
  const byHand = twinsOf(one.cause.name, other.cause.name)?.separatedBy
  if (byHand !== undefined) return byHand
  return found?.waitsFor === undefined
    ? 'for what changed when it began'
    : `whether ${aspectText(found.aspect)} passes, which waits for ${awaited[found.waitsFor]}`
}

import { type Fact, harmless, oneEventMs } from '../evidence.ts'

/** Successes since the trouble began, from which they are no longer weak, … */
const strongPasses = 3
/** … and beside a loss, so many times its share: fewer than one run in a thousand would have no loss by chance. */
const passesOfLoss = Math.log(1_000)

/** Facts about one link, when its newest trouble began, and how many successes since then are no longer weak. */
export interface LinkFacts {
  readonly facts: readonly Fact[]
  readonly onsetMs: number | undefined
  readonly passesNeeded: number
}

/**
 * Returns what a link shows. The smaller the loss that some series show, the more attempts of others pass by chance; half as many as the lossy
 * ones needed to show it contradict it.
 */
export function linkFactsOf(facts: readonly Fact[]): LinkFacts {
  const onsetMs = onsetOf(facts)
  if (onsetMs === undefined) return { facts, onsetMs, passesNeeded: strongPasses }
  let ofLoss = Number.POSITIVE_INFINITY
  for (const { loss, trials } of facts)
    if (loss !== undefined) ofLoss = Math.min(ofLoss, passesOfLoss / loss.low, trials / 2)
  const passesNeeded = Number.isFinite(ofLoss) ? Math.max(strongPasses, ofLoss) : strongPasses
  return { facts, onsetMs, passesNeeded }
}

/** Returns whether it is evidence: a success from before the trouble is none. */
export function isKnown({ symptom, lastMs }: Fact, { onsetMs }: LinkFacts): boolean {
  return symptom !== 'passes' || onsetMs === undefined || lastMs >= onsetMs
}

/** Returns whether it is a success that rests on few attempts since the trouble began. */
export function isWeak(fact: Fact, { onsetMs, passesNeeded }: LinkFacts): boolean {
  return fact.symptom === 'passes' && onsetMs !== undefined && passesSince(fact, onsetMs) < passesNeeded
}

/** Returns when the newest trouble of a link began; undefined if it has none. What harms nobody is none beside others. */
function onsetOf(facts: readonly Fact[]): number | undefined {
  let isHarmed = false
  let newestMs: number | undefined
  for (const { symptom, sinceMs } of facts) {
    if (symptom === 'passes' || (isHarmed && harmless.has(symptom))) continue
    const isFirstHarm: boolean = !isHarmed && !harmless.has(symptom)
    isHarmed ||= isFirstHarm
    if (newestMs === undefined || isFirstHarm || sinceMs > newestMs) newestMs = sinceMs
  }
  if (newestMs === undefined) return undefined
  let onsetMs = newestMs
  for (const { symptom, sinceMs } of facts) {
    if (symptom === 'passes' || (isHarmed && harmless.has(symptom))) continue
    if (sinceMs < onsetMs && newestMs - sinceMs <= oneEventMs) onsetMs = sinceMs
  }
  return onsetMs
}

function passesSince({ sinceMs, lastMs, trials }: Fact, onsetMs: number): number {
  if (sinceMs >= onsetMs) return trials
  return Math.max(1, (trials * (lastMs - onsetMs)) / Math.max(1, lastMs - sinceMs))
}

import { type Fact, harmless, oneEventMs } from '../evidence.ts'

/** Successes since the trouble began from which a series is no longer weak evidence. */
const strongPasses = 3
/** Beside a loss it takes this, divided by the loss ratio: by chance, fewer than one in a thousand such runs have no loss. */
const passesOfLoss = Math.log(1_000)

/** The newest trouble of a link. */
export interface Trouble {
  /** Wall clock of its beginning; undefined if the link has none. */
  readonly onsetMs: number | undefined
  /** Successes since then from which a series is no longer weak evidence. */
  readonly passesNeeded: number
}

/**
 * Returns the trouble that the facts of one link show. The smaller a loss is, the more attempts of other series pass by chance. Half as many
 * successes as the lossy series needed attempts contradict the loss.
 */
export function troubleOf(facts: readonly Fact[]): Trouble {
  const onsetMs = onsetOf(facts)
  if (onsetMs === undefined) return { onsetMs, passesNeeded: strongPasses }
  let ofLoss = Number.POSITIVE_INFINITY
  for (const { loss, trials } of facts)
    if (loss !== undefined) ofLoss = Math.min(ofLoss, passesOfLoss / loss.low, trials / 2)
  const passesNeeded = Number.isFinite(ofLoss) ? Math.max(strongPasses, ofLoss) : strongPasses
  return { onsetMs, passesNeeded }
}

/** Returns whether a fact is evidence about the trouble: a success from before it is not. */
export function isKnown({ symptom, lastMs }: Fact, { onsetMs }: Trouble): boolean {
  return symptom !== 'passes' || onsetMs === undefined || lastMs >= onsetMs
}

/** Returns whether a fact is a success that rests on few attempts since the trouble began. */
export function isWeak(fact: Fact, { onsetMs, passesNeeded }: Trouble): boolean {
  return fact.symptom === 'passes' && onsetMs !== undefined && passesSince(fact, onsetMs) < passesNeeded
}

/** Returns when the newest trouble of a link began; undefined if it has none. Harmless symptoms count only where there are no others. */
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

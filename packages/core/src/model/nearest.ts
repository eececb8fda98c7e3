import { distance } from 'fastest-levenshtein'

/**
 * Returns the candidate that a misspelled word most likely means. Undefined if every candidate differs in all letters, or in more than
 * two letters and a third of them.
 */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const [best] = candidates
    .map((candidate) => ({
      candidate,
      edits: distance(word.toLowerCase(), candidate.toLowerCase()),
      lengthGap: Math.abs(word.length - candidate.length),
    }))
    // Two swapped letters count as two edits, so prefer a candidate of the same length on a tie.
    .toSorted((a, b) => a.edits - b.edits || a.lengthGap - b.lengthGap)
  if (best === undefined || best.edits >= Math.max(word.length, best.candidate.length)) return undefined
  return best.edits <= Math.max(2, best.candidate.length / 3) ? best.candidate : undefined
}

/** Returns the end of a sentence about an unknown name: `did you mean udp?`, or a list of all names if none is close. */
export function hintFor(name: string, known: readonly string[]): string {
  const near = nearest(name, known)
  if (near !== undefined) return `did you mean ${near}?`
  return known.length === 0 ? 'there are none' : `choose one of ${known.join(', ')}`
}

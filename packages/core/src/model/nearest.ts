import { distance } from 'fastest-levenshtein'

/**
 * Returns the candidate a misspelt word most likely meant; undefined when none is near: more than two letters and a third of them differ, or
 * all do.
 */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const [best] = candidates
    .map((candidate) => ({
      candidate,
      edits: distance(word.toLowerCase(), candidate.toLowerCase()),
      lengthGap: Math.abs(word.length - candidate.length),
    }))
    // Two letters swapped count as two edits: of equals, the one of the same length is meant.
    .toSorted((a, b) => a.edits - b.edits || a.lengthGap - b.lengthGap)
  if (best === undefined || best.edits >= Math.max(word.length, best.candidate.length)) return undefined
  return best.edits <= Math.max(2, best.candidate.length / 3) ? best.candidate : undefined
}

/** Finishes a sentence about a name that does not exist: `did you mean udp?`, or all names where none is near. */
export function hintFor(name: string, known: readonly string[]): string {
  const near = nearest(name, known)
  if (near !== undefined) return `did you mean ${near}?`
  return known.length === 0 ? 'there are none' : `choose one of ${known.join(', ')}`
}

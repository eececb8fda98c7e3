import { z } from 'zod'

/* What agents tell each other is a claim: it has limits, and nothing in it that a terminal or a shell would obey. */

const hasNoControls = (text: string) => !/\p{Cc}/u.test(text)

/** A name. */
export const word = z.string().max(253).refine(hasNoControls)

/** A sentence or an address. */
export const textUpTo = (mostLength: number) => z.string().max(mostLength).refine(hasNoControls)

/** Wall clock, in milliseconds since 1970, of a moment that has a date. */
export const wallMs = z.number().min(0).max(8.64e15)

import { isPrintable } from '@scout/core'
import { z } from 'zod'

/* What agents tell each other is a claim: it has limits, and nothing in it that a terminal or a shell would obey. */

/** A name. */
export const word = z.string().max(253).refine(isPrintable)

/** A sentence or an address. */
export const textUpTo = (mostLength: number) => z.string().max(mostLength).refine(isPrintable)

/** Wall clock, in milliseconds since 1970, of a moment that has a date. */
export const wallMs = z.number().min(0).max(8.64e15)

import type { NodeConditions } from '@scout/core'
import { z } from 'zod'

const node = z.object({
  metadata: z.object({ name: z.string() }),
  spec: z.object({ unschedulable: z.boolean().nullish() }).nullish(),
  status: z
    .object({
      conditions: z
        .array(
          z.object({
            type: z.string(),
            status: z.string(),
            reason: z.string().nullish(),
            lastTransitionTime: z.string().nullish(),
          }),
        )
        .nullish(),
    })
    .nullish(),
})

/** Returns the conditions of a node that are not as they should be: `Ready` not true, any other not false. */
export function nodeConditionsOf(object: unknown): NodeConditions {
  const { metadata, spec, status } = node.parse(object)
  const problems = (status?.conditions ?? [])
    .filter(({ type, status }) => status !== (type === 'Ready' ? 'True' : 'False'))
    .map(({ type, status, reason, lastTransitionTime }) => {
      const sinceMs = Date.parse(lastTransitionTime ?? '')
      return { type, status, reason: reason ?? '', ...(Number.isFinite(sinceMs) ? { sinceMs } : {}) }
    })
  return { name: metadata.name, isCordoned: spec?.unschedulable === true, problems }
}

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { kubectl } from './run.ts'

const kindsOf = 'x-kubernetes-group-version-kind'
const definitionsSchema = z.record(
  z.string(),
  z.looseObject({
    [kindsOf]: z.array(z.object({ group: z.string(), version: z.string(), kind: z.string() })).default([]),
  }),
)
const documentSchema = z.object({ definitions: definitionsSchema })

/** What OpenAPI 2 has no words for: text or a number. */
const textOrNumber: Readonly<Record<string, object>> = {
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString': { type: ['string', 'integer'] },
  'io.k8s.apimachinery.pkg.api.resource.Quantity': { type: ['string', 'number'] },
}

/**
 * Writes the API server's definition of each kind as a JSON schema that rejects unknown fields. Returns their location in kubeconform's
 * format. Generated, because the published schemas cannot be downloaded everywhere.
 */
export async function writeSchemas(folder: string): Promise<string> {
  const { definitions } = documentSchema.parse(JSON.parse(await kubectl('get', '--raw', '/openapi/v2')))
  const all = JSON.stringify({ definitions: { ...definitions, ...textOrNumber } }, (_, value: unknown) => closed(value))
  writeFileSync(join(folder, 'definitions.json'), all)
  for (const [name, { [kindsOf]: kinds }] of Object.entries(definitions)) {
    for (const { group, version, kind } of kinds) {
      const file = [kind.toLowerCase(), ...group.split('.').slice(0, 1).filter(Boolean), version].join('-')
      writeFileSync(join(folder, `${file}.json`), JSON.stringify({ $ref: `definitions.json#/definitions/${name}` }))
    }
  }
  return join(folder, '{{ .ResourceKind }}{{ .KindSuffix }}.json')
}

/** An object with named fields has these alone. */
function closed(value: unknown): unknown {
  const isObject = typeof value === 'object' && value !== null && 'type' in value && value.type === 'object'
  return isObject && 'properties' in value ? { additionalProperties: false, ...value } : value
}

import { z } from 'zod'
import { formatDurationNs } from '../time/duration.ts'

/** JSON schema of a value's input side, which is what people write. */
export type Shape = z.core.JSONSchema.BaseSchema

/** Shape of a value, and whether it is a duration in milliseconds, which people write as text with a unit. */
export interface Field {
  readonly shape: Shape
  readonly isDuration: boolean
}

/** Replaces every secret in output. A schema marks secrets with `.meta({ writeOnly: true })`, a JSON schema keyword. */
export const hiddenSecret = '(secret)'

export function fieldOf(schema: z.ZodType): Field {
  return { shape: z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }), isDuration: false }
}

/** Returns the field at a key, in the schema's spelling (`timeoutMs`), or at an index. */
export function fieldBelow({ shape, isDuration }: Field, step: PropertyKey): Field {
  if (typeof step === 'number') return { shape: objectOf(shape.items), isDuration }
  const key = String(step)
  const own = shape.properties !== undefined && Object.hasOwn(shape.properties, key)
  const inner = objectOf(own ? shape.properties?.[key] : shape.additionalProperties)
  return { shape: inner, isDuration: writtenName(key) !== key && isNumeric(inner) }
}

/** Removes the unit from an option's name, because people write it with the value: `timeoutMs` becomes `timeout`. */
export function writtenName(option: string): string {
  return option.endsWith('Ms') ? option.slice(0, -2) : option
}

/** Returns the written name of a key of this field. */
export function nameBelow(field: Field, key: string): string {
  return fieldBelow(field, key).isDuration ? writtenName(key) : key
}

/** Formats milliseconds as people write them: `1h`, `1m30s`, `250ms`. */
export function writtenDuration(ms: number): string {
  return formatDurationNs(ms * 1e6).replaceAll(/(?<=\D)0[ms]/g, '')
}

/** Returns a value as a person would write it, with durations as text and secrets hidden. */
export function writtenValue(schema: z.ZodType, value: unknown): unknown {
  return writtenIn(fieldOf(schema), value)
}

export function writtenIn(field: Field, value: unknown): unknown {
  if (field.shape.writeOnly === true) return value === '' ? value : hiddenSecret
  if (field.isDuration && typeof value === 'number') return writtenDuration(value)
  if (Array.isArray(value)) return value.map((inner, index) => writtenIn(fieldBelow(field, index), inner))
  if (!isRecord(value)) return hasSecretsBelow(field.shape) ? hiddenSecret : value
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]): readonly [string, unknown] => [
      nameBelow(field, key),
      writtenIn(fieldBelow(field, key), inner),
    ]),
  )
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Returns the shape, or an empty one for JSON schema's `true`, `false` and lists of shapes. */
export function objectOf(shape: Shape['items']): Shape {
  return typeof shape === 'object' && !Array.isArray(shape) ? shape : {}
}

function isNumeric({ type, items }: Shape): boolean {
  return type === 'number' || type === 'integer' || (type === 'array' && isNumeric(objectOf(items)))
}

function hasSecretsBelow({ additionalProperties, items }: Shape): boolean {
  return objectOf(additionalProperties).writeOnly === true || objectOf(items).writeOnly === true
}

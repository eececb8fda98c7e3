import type { z } from 'zod'
import { ScoutError } from '../model/errors.ts'
import { parseDurationMs } from '../time/duration.ts'
import { type Misfit, misfitOf, namesAt, unknownName } from './misfit.ts'
import { type Field, fieldBelow, fieldOf, hiddenSecret, isRecord, nameBelow, objectOf, type Shape } from './shape.ts'

export type Loaded<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly misfit: Misfit }

/** Parses written input, with names without `Ms` and durations as text, into the output of the schema. */
export function loadWritten<Schema extends z.ZodType>(schema: Schema, written: unknown): Loaded<z.output<Schema>> {
  const misfits: Misfit[] = []
  const parsed = schema.safeParse(unwritten(fieldOf(schema), written, { path: [], misfits }))
  const [misfit] = misfits
  if (misfit !== undefined) return { ok: false, misfit }
  if (parsed.success) return { ok: true, value: parsed.data }
  return { ok: false, misfit: misfitOf({ schema, error: parsed.error, input: written, isWritten: true }) }
}

interface Walk {
  readonly path: readonly string[]
  /** Collects what the schema cannot detect: names that are not in it, and placeholders of secrets. */
  readonly misfits: Misfit[]
}

function unwritten(field: Field, written: unknown, { path, misfits }: Walk): unknown {
  const below = (key: PropertyKey, name: string, value: unknown) =>
    unwritten(fieldBelow(field, key), value, { path: [...path, name], misfits })
  if (field.shape.writeOnly === true && written === hiddenSecret) {
    const about = (subject: string) =>
      `${subject}: "${hiddenSecret}" stands for a secret that was not printed: write the secret`
    misfits.push({ kind: 'unfit', path, about })
  }
  if (Array.isArray(written)) return written.map((value, index) => below(index, String(index), value))
  if (isRecord(written)) {
    const { properties = {}, additionalProperties } = field.shape
    const keys = new Map(Object.keys(properties).map((key) => [nameBelow(field, key), key]))
    const entries = Object.entries(written).flatMap(([name, value]): (readonly [string, unknown])[] => {
      const key = keys.get(name) ?? name
      if (keys.has(name) || (additionalProperties !== false && !Object.hasOwn(properties, name)))
        return [[key, below(key, name, value)]]
      misfits.push(unknownName(name, path, namesAt(field, true)))
      return []
    })
    return Object.fromEntries(entries)
  }
  return field.isDuration ? millisecondsOf(written) : written
}

/** Converts a written duration to milliseconds. Leaves anything else unchanged, so that the schema rejects it. */
function millisecondsOf(written: unknown): unknown {
  if (typeof written !== 'string' && typeof written !== 'number') return written
  try {
    return parseDurationMs(String(written))
  } catch (error) {
    if (error instanceof ScoutError) return String(written)
    throw error
  }
}

const durationPattern = String.raw`^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$`

/** Returns the JSON schema of written input, for programs that validate a file without this library. */
export function writtenShape(schema: z.ZodType): Shape {
  return shapeAt(fieldOf(schema))
}

function shapeAt(field: Field): Shape {
  const { $schema, ...shape } = field.shape
  if (field.isDuration && shape.type !== 'array') {
    const { description } = shape
    return { type: 'string', pattern: durationPattern, ...(description === undefined ? {} : { description }) }
  }
  const { properties, required, items, additionalProperties } = shape
  return {
    ...shape,
    ...(properties === undefined
      ? {}
      : {
          properties: Object.fromEntries(
            Object.keys(properties).map((key) => [nameBelow(field, key), shapeAt(fieldBelow(field, key))]),
          ),
        }),
    ...(required === undefined ? {} : { required: required.map((key) => nameBelow(field, key)) }),
    ...(items === undefined ? {} : { items: shapeAt(fieldBelow(field, 0)) }),
    ...(typeof additionalProperties === 'object'
      ? { additionalProperties: shapeAt({ shape: objectOf(additionalProperties), isDuration: false }) }
      : {}),
  }
}

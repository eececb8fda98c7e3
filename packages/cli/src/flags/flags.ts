import { loadWritten, ScoutError, type Setting, settingsOf } from '@scout/core'
import { type Command, Option } from 'commander'
import { z } from 'zod'

/** One option of a schema, and the flag that sets it. */
export interface Flag {
  readonly key: string
  readonly option: Option
}

/**
 * Returns the flags of an option schema, as `settingsOf` derives them, with the conventions of this command line: a boolean that is true by
 * default is turned off (`recursion` → `--no-recursion`), a list may be repeated or separated by commas, and a record takes one pair per flag, in
 * the singular (`headers` → `--header 'name: value'`). The schema checks each value as it is read.
 */
export function flagsOf(schema: z.ZodObject, shorts: Readonly<Record<string, string>> = {}): readonly Flag[] {
  const fields = new Map(Object.entries<z.core.$ZodType>(schema.shape))
  return settingsOf(schema).flatMap((setting) => {
    const field = fields.get(setting.key)
    // Groups of options and lists of groups have no flag; a test over the registry keeps them out of probes.
    if (field === undefined || setting.kind === 'structure') return []
    const short = shorts[setting.key] === undefined ? '' : `${shorts[setting.key]}, `
    return [{ key: setting.key, option: optionOf(setting, field, short) }]
  })
}

export function addFlags(command: Command, flags: readonly Flag[]): Command {
  for (const { option } of flags) command.addOption(option)
  return command
}

/** Returns the values of a parsed command line, under the keys of the schema. */
export function valuesOf(flags: readonly Flag[], command: Command): Record<string, unknown> {
  return Object.fromEntries(
    flags.flatMap(({ key, option }) => {
      const value: unknown = command.getOptionValue(option.attributeName())
      return value === undefined ? [] : [[key, value]]
    }),
  )
}

function optionOf(setting: Setting, field: z.core.$ZodType, short: string): Option {
  const { kind, takes, description } = setting
  if (kind === 'boolean' && takes === 'one') {
    return setting.default === true
      ? new Option(`${short}--no-${setting.flag}`, `do not ${description}`)
      : new Option(`${short}--${setting.flag}`, description)
  }
  const flag = `--${takes === 'pairs' ? setting.flag.replace(/s$/, '') : setting.flag}`
  const option = new Option(`${short}${flag} <${placeholderOf(setting)}>`, aboutOf(setting))
  if (isPreset(setting)) option.default(setting.default, setting.defaultText)
  return option.argParser<unknown>((text, before) => {
    const value = judge({ flag, setting, field }, text)
    if (takes === 'list') return [...listSchema.parse(before), ...listSchema.parse(value)]
    return takes === 'pairs' ? { ...pairsSchema.parse(before), ...pairsSchema.parse(value) } : value
  })
}

const listSchema = z.array(z.unknown()).default([])
const pairsSchema = z.record(z.string(), z.unknown()).default({})

/** Whether the parser holds the default. Not for lists: a flag adds to the earlier value, and must not add to the default. */
function isPreset({ takes, defaultText, default: preset }: Setting): boolean {
  return takes === 'one' && defaultText !== undefined && preset !== undefined
}

function placeholderOf({ takes, placeholder }: Setting): string {
  return takes === 'pairs' ? 'name: value' : placeholder
}

function aboutOf(setting: Setting): string {
  const { takes, description, choices, defaultText } = setting
  return [
    description,
    choices === undefined ? '' : `: ${choices.join(', ')}`,
    takes === 'one' ? '' : '; may be repeated',
    defaultText === undefined || isPreset(setting) ? '' : ` (default: ${defaultText})`,
  ].join('')
}

interface Judge {
  readonly flag: string
  readonly setting: Setting
  readonly field: z.core.$ZodType
}

/** Parses a value by the schema. @throws {ScoutError} with one sentence that names the flag and the schema's complaint. */
function judge({ flag, setting: { key, name, takes, read }, field }: Judge, text: string): unknown {
  const loaded = loadWritten(z.object({ [key]: field }), { [name]: read(text) })
  if (loaded.ok) return loaded.value[key]
  const { misfit } = loaded
  if (misfit.kind === 'unknown') throw new ScoutError('invalid-option', `${flag}: ${misfit.hint}`)
  const [, ...below] = misfit.path
  throw new ScoutError('invalid-option', misfit.about(takes === 'pairs' ? [flag, ...below].join(' ') : flag))
}

/** Runs a parser and adds the name of the flag to its error. */
export function prefixed<T>(flag: string, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    if (error instanceof ScoutError) throw new ScoutError(error.code, `${flag}: ${error.message}`, { cause: error })
    throw error
  }
}

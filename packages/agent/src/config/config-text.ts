import { hiddenSecret, loadWritten, writtenValue } from '@scout/core'
import type { LoadedConfig } from './config.ts'
import { configSchema } from './schema.ts'
import { simpleSettings, valueAt } from './sources.ts'
import { shownCheck } from './written-check.ts'

/**
 * Returns the configuration as a file that can be loaded again, with the source of each setting. Comments are what would not load:
 * settings without a value, and checks that follow from other settings.
 */
export function configText({ config, origins, hasOwnChecks, remarks }: LoadedConfig): string {
  const written = writtenValue(configSchema, config)
  const settings = simpleSettings.flatMap(({ name }, index) => {
    const [group = name, key] = name.split('.')
    const value = valueAt(written, name)
    const mark = isLoadable(name, value) ? '' : '# '
    const shown = value === undefined ? '' : ` ${JSON.stringify(value)}`
    const line = withOrigin(`${key === undefined ? '' : '  '}${mark}${key ?? group}:${shown}`, origins.get(name))
    const isFirst = key !== undefined && simpleSettings[index - 1]?.name.startsWith(`${group}.`) !== true
    return isFirst ? [`${group}:`, line] : [line]
  })
  const lists = (['peers', 'dnsPods'] as const).flatMap((name) => [
    withOrigin(`${name}:${config[name].length === 0 ? ' []' : ''}`, origins.get(name)),
    ...config[name].map((one) => `  - ${JSON.stringify(one)}`),
  ])
  const mark = hasOwnChecks ? '' : '# '
  const origin = [...origins].find(([path]) => path.startsWith('checks'))?.[1]
  const checks = config.checks.map((check) => {
    const { key, ...options } = check.options
    // A check without a key has that of the responder.
    const shown = shownCheck(key === config.responder.key ? { ...check, options } : check)
    return `${mark}  ${JSON.stringify(check.name)}: ${JSON.stringify(shown)}`
  })
  return [
    ...settings,
    ...lists,
    withOrigin(`${mark}checks:${checks.length === 0 ? ' {}' : ''}`, origin),
    ...checks,
    ...remarks.map((remark) => `# ${remark}`),
  ]
    .map((line) => `${line}\n`)
    .join('')
}

function withOrigin(text: string, origin = 'default'): string {
  return `${text.padEnd(48)} # ${origin}`
}

/** Whether a file may contain the value. A hidden secret is not a comment, so that it is not forgotten. */
function isLoadable(name: string, value: unknown): boolean {
  if (value === undefined) return false
  const [first = name, second] = name.split('.')
  const file = { [first]: second === undefined ? value : { [second]: value } }
  return value === hiddenSecret || loadWritten(configSchema, file).ok
}

/** The agent's configuration, as used by the chart's schema, the reference page and the demo. */
import { type Shape, writtenShape } from '@scout/core'
import { configSchema } from './schema.ts'
import { writtenCheckShape } from './written-check.ts'

export { type Config, type LoadedConfig, loadConfig } from './config.ts'
export { configSchema } from './schema.ts'
export { type ConfigSources, type GivenSetting, variableOf } from './sources.ts'

/** Returns the JSON schema of a configuration file. */
export function configShape(): Shape {
  const { properties = {}, ...shape } = writtenShape(configSchema)
  const { checks } = properties
  return {
    ...shape,
    properties: {
      ...properties,
      ...(typeof checks === 'object' ? { checks: { ...checks, additionalProperties: writtenCheckShape() } } : {}),
    },
  }
}

import { configSchema, variableOf } from '@scout/agent/config'
import { settingsOf } from '@scout/core'
import { code, defaultOf, table, typeOf } from './markdown.mjs'

export function settingsPage() {
  return `<!-- Written by npm run docs, from the schema of the agent's configuration. -->

# Settings of the agent

A setting comes from the file named by \`--config\` or \`SCOUT_CONFIG\`, from the environment, or from a flag; flags override the
environment, which overrides the file. \`scout-agent --print-config\` prints each with its source. In the file, a dot means a level:
\`console.port\` is \`console: { port: 8080 }\`. In a flag or a variable, a list is separated by commas. A duration is a number with a unit:
\`250ms\`, \`1s\`, \`1m30s\`.

${table(
  ['setting', 'flag', 'variable', 'type', 'default', 'meaning'],
  settingsOf(configSchema).map((setting) => {
    const { kind, name, flag, description } = setting
    if (description === '') throw new Error(`setting ${name} has no description`)
    const outside = kind === 'structure' ? ['', ''] : [code(`--${flag}`), code(variableOf(setting))]
    return [code(name), ...outside, typeOf(setting), defaultOf(setting), description]
  }),
)}
## Peers

An entry of \`peers\` has a \`name\`, its \`addresses\`, and, if they differ from the defaults, a \`port\`, a \`node\`, a \`zone\` and a \`namespace\`.
A flag \`--peer NODE=ADDRESS[,ADDRESS][:PORT]\` adds one.
An entry of \`dnsPods\` is written alike; its port is 53 by default.

## Checks

An entry of \`checks\` names a check and has a \`probe\`, an optional \`target\`, \`interval\` and \`path\`, and the options of that probe, as
[probes.md](probes.md) lists them. In a target, \`{host}\`, \`{port}\`, \`{name}\` and \`{node}\` stand for those of each peer, and \`{base}\` for
the URL of its responder. The path is \`pod\` or \`node\`: whether \`{host}\` is an address of the peer's pod or of its node. A node has no
\`{port}\`.
`
}

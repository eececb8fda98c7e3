/** One text for one tool, to be applied inside one namespace. */
export interface Step {
  readonly tool: 'sysctl' | 'ip' | 'bridge' | 'nft'
  readonly text: string
}

/** Everything that turns an empty namespace into a node, a pod, the underlay or the router. */
export interface NamespacePlan {
  readonly namespace: string
  readonly steps: readonly Step[]
}

/** Leaves out empty texts, so that no tool is started for nothing. */
export function step(tool: Step['tool'], lines: readonly string[]): readonly Step[] {
  return lines.length === 0 ? [] : [{ tool, text: `${lines.join('\n')}\n` }]
}

const commands: Readonly<Record<Step['tool'], string>> = {
  sysctl: 'while read -r key value; do echo "$value" > "/proc/sys/$key"; done',
  ip: 'ip -batch -',
  bridge: 'bridge -batch -',
  nft: 'nft -f -',
}

/** A shell script that applies steps in order; on failure its last words name the tool that failed. */
export function stepsScript(steps: readonly Step[]): string {
  return steps
    .map(({ tool, text }) => `{ ${commands[tool]}; } <<'END' || { echo '${tool} failed' >&2; exit 1; }\n${text}END\n`)
    .join('')
}
